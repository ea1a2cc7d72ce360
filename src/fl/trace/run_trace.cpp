// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/run_trace.hpp"

#include "base/log.hpp"
#include "base/version.hpp"
#include "fl/trace/trace_file.hpp"
#include "fl/trace/trace_text.hpp"
#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t ns_a_us = 1000;

std::int64_t unix_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// What the root decides after it has written.
struct Decision {
  std::int64_t full = 0;
  std::int64_t align = 0;
};

}  // namespace

void check_trace(const RunFolder& folder) {
  if (std::filesystem::exists(folder.trace())) find_trace_end(folder.trace());
}

RunTrace::RunTrace(const Communicator& comm, TraceOptions options)
    : comm_(comm), options_(options), begun_ns_(steady_ns()) {
  recorder_.emplace(options_.capacity);
}

void RunTrace::align() {
  const Range range("align clocks");
  clock_ = measure_clock_offset(comm_);
  since_aligned_.reset();
}

// Time 0 is when the first of the ranks began to record; of a run that is resumed, when that was in
// its first part.
void RunTrace::open(const RunFolder* folder, RoundId rounds_done) {
  folder_ = folder;
  align();
  zero_ns_ = std::ranges::min(comm_.all_gather_value(begun_ns_ - clock_.offset_ns));
  const std::vector<std::int64_t> within_ns = comm_.all_gather_value(clock_.within_ns);
  comm_.agree([&] {
    if (folder_ != nullptr) begin_part(rounds_done, within_ns);
  });
  comm_.broadcast_value(zero_ns_);
}

// Parts of one file follow each other, also where the clock was set back between them.
void RunTrace::begin_part(RoundId rounds_done, const std::vector<std::int64_t>& within_ns) {
  const std::int64_t begun_us = unix_us() - (steady_ns() - zero_ns_) / ns_a_us;
  const std::filesystem::path path = folder_->trace();
  const bool goes_on = rounds_done > RoundId{0} && std::filesystem::exists(path);
  std::int64_t at_us = 0;
  if (goes_on) {
    const TraceEnd end = find_trace_end(path);
    at_us = std::max(begun_us - end.unix_us, end.last_us + 1);
    folder_->cut_trace(end.bytes);
    bytes_ = end.bytes;
  }
  std::vector<double> within_us;
  for (const std::int64_t ns : within_ns) within_us.push_back(static_cast<double>(ns) / 1e3);
  const std::string line = trace_line({{"name", trace_part_name},
                                       {"ph", "i"},
                                       {"s", "g"},
                                       {"ts", at_us},
                                       {"tid", 1},
                                       {"args",
                                        {{"unix_us", begun_us},
                                         {"harmofl", build_info().version},
                                         {"ranks", comm_.size()},
                                         {"rounds_before", rounds_done.value()},
                                         {"clocks_within_us", within_us}}}},
                                      Rank{0});
  zero_ns_ -= at_us * ns_a_us;
  if (goes_on) return append("," + line);
  folder_->write(path.filename().string(), trace_begin + line);
  bytes_ = std::ssize(trace_begin + line);
}

void RunTrace::append(const std::string& lines) {
  folder_->append_trace(lines);
  bytes_ += std::ssize(lines);
}

std::string RunTrace::own_lines() {
  const Rank rank = comm_.rank();
  std::string lines = named_.empty() ? name_rank(rank, comm_.host()) : "";
  for (const TraceTrack& track : recorder_->take()) {
    if (named_.insert(track.number).second) lines += name_track(track, rank);
    lines += track_lines(track, rank, zero_ns_ + clock_.offset_ns);
    if (track.dropped == 0) continue;
    log::warn_once(concat("run.trace: rank ", rank, " had more ranges in a round than the ",
                          options_.capacity, " that there is room for; trace.json says where they ",
                          "are missing."));
  }
  return lines;
}

void RunTrace::write() {
  if (!recorder_) return;
  const Range range("write trace");
  const std::vector<std::string> lines = comm_.gather(own_lines());
  Decision next;
  comm_.agree([&] {
    if (folder_ == nullptr) return;
    for (const std::string& of_rank : lines) append(of_rank);
    next.full = bytes_ > options_.most_bytes ? 1 : 0;
    next.align = since_aligned_.elapsed_s() > options_.align_every_s ? 1 : 0;
    if (next.full != 0) note_full();
  });
  comm_.broadcast_value(next);
  if (next.full != 0) return recorder_.reset();
  if (next.align != 0) align();
}

void RunTrace::note_full() {
  const std::int64_t now_us = (steady_ns() - zero_ns_) / ns_a_us;
  append("," + trace_line({{"name", "nothing is recorded from here on: the file is full"},
                           {"ph", "i"},
                           {"s", "g"},
                           {"ts", now_us},
                           {"tid", 1},
                           {"args", {{"most_bytes", options_.most_bytes}}}},
                          Rank{0}));
  log::warn_once(concat(folder_->trace().string(), ": is as large as a trace may be (",
                        human_bytes(static_cast<double>(options_.most_bytes)),
                        "). The rest of the run is not recorded."));
}

void RunTrace::close() {
  write();
  recorder_.reset();
  comm_.agree([&] {
    if (folder_ != nullptr) append(trace_end);
  });
}

}  // namespace harmofl
