// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/site_job.hpp"

#include "base/checksum.hpp"
#include "base/log.hpp"
#include "base/process/interrupt.hpp"
#include "base/read_file.hpp"
#include "base/timer.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/shards/spool.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <set>
#include <span>
#include <sys/stat.h>
#include <thread>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t part_bytes = std::size_t{8} << 20;  ///< Of a shard, in memory at a time.
constexpr std::chrono::milliseconds progress_pause{200};
constexpr double shown_from_s = 1.0;  ///< Sites that take less say nothing of their speed.

fs::path spool_path(const fs::path& shard) {
  return shard.parent_path() / concat('.', shard.filename().string(), ".part");
}

/// What changes when one of `files` is written again: sizes and times.
std::string state_of(const std::vector<fs::path>& files) {
  std::string text = ";";
  for (const fs::path& file : files) {
    struct stat found = {};
    if (stat(file.c_str(), &found) != 0) {
      text += "missing;";
      continue;
    }
    text += concat(found.st_size, ',', found.st_mtim.tv_sec, ',', found.st_mtim.tv_nsec, ';');
  }
  return text;
}

Waiting summary_of(const Decoded& decoded) {
  Waiting waiting;
  waiting.pieces = std::ssize(decoded.pieces);
  waiting.source_size = decoded.source_size;
  waiting.spacing = decoded.spacing;
  waiting.checksums = decoded.checksums;
  waiting.problem = decoded.problem;
  if (decoded.pieces.empty()) return waiting;
  waiting.size = decoded.pieces.front().image.size;
  waiting.channels = decoded.pieces.front().image.channels;
  return waiting;
}

/// Decodes the source images `todo` into a spool.
class Decoding {
 public:
  Decoding(const SiteJob& job, Spool& spool, std::vector<Waiting>& waiting,
           std::vector<std::int64_t> todo)
      : job_(job), spool_(spool), waiting_(waiting), todo_(std::move(todo)) {}

  void run() {
    const Stopwatch watch;
    std::vector<std::thread> threads;
    running_ =
        std::clamp<std::int64_t>(job_.threads, 1, std::max<std::int64_t>(1, std::ssize(todo_)));
    for (std::int64_t i = running_; i > 0; --i) threads.emplace_back([this] { work(); });
    show_progress(watch);
    for (std::thread& thread : threads) thread.join();
    log::clear_progress();
    if (error_) std::rethrow_exception(error_);
    if (interrupt_requested()) throw Interrupted{};
    if (watch.elapsed_s() >= shown_from_s) log::info(speed(watch.elapsed_s()));
  }

 private:
  void work() {
    while (!stop_ && !interrupt_requested()) {
      const std::int64_t place = next_++;
      if (place >= std::ssize(todo_)) break;
      const std::int64_t i = todo_[static_cast<std::size_t>(place)];
      try {
        decode(i);
      } catch (...) {
        note_error(i);
      }
    }
    const std::lock_guard held(mutex_);
    --running_;
    ended_.notify_one();
  }

  void decode(std::int64_t i) {
    const std::string state = state_of(job_.files(i));
    const Decoded decoded = job_.decode(i);
    spool_.put(i, state, pack(decoded));
    waiting_[static_cast<std::size_t>(i)] = summary_of(decoded);
    ++done_;
  }

  /// Keeps the error of the first image: those before it were taken before, and end.
  void note_error(std::int64_t i) {
    const std::lock_guard held(mutex_);
    stop_ = true;
    if (error_ && i > failed_) return;
    error_ = std::current_exception();
    failed_ = i;
  }

  void show_progress(const Stopwatch& watch) {
    std::unique_lock held(mutex_);
    while (!ended_.wait_for(held, progress_pause, [&] { return running_ == 0; })) {
      log::progress(speed(watch.elapsed_s()));
    }
  }

  std::string speed(double elapsed_s) const {
    const std::int64_t kept = job_.count - std::ssize(todo_);
    const double rate = static_cast<double>(done_) / elapsed_s;
    std::string text = concat(job_.name, ": ", kept + done_, "/", job_.count, " ", job_.unit,
                              " decoded in ", human_seconds(elapsed_s), ", ",
                              fixed(rate, rate < 10.0 ? 1 : 0), " ", job_.unit, "/s");
    if (kept > 0) text += concat(" (", kept, " by an earlier call)");
    return text;
  }

  const SiteJob& job_;
  Spool& spool_;
  std::vector<Waiting>& waiting_;
  std::vector<std::int64_t> todo_;
  std::atomic<std::int64_t> next_ = 0, done_ = 0;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;  ///< Of all below.
  std::condition_variable ended_;
  std::int64_t running_ = 0;
  std::exception_ptr error_;
  std::int64_t failed_ = 0;
};

std::string place_of(const SiteJob& job, std::size_t i) {
  return job.files(static_cast<std::int64_t>(i)).front().string();
}

}  // namespace

/// Adds the pieces of a split to a shard, some MiB at a time.
class SplitFiller {
 public:
  SplitFiller(ShardWriter& writer, Split split, std::size_t classes, ReportRow& row)
      : writer_(writer), split_(split), classes_(classes), row_(row) {}

  Split split() const { return split_; }

  void add(const Piece& piece, const std::string& patient) {
    const auto bytes = std::as_bytes(std::span(piece.image.values));
    part_.images.insert(part_.images.end(), bytes.begin(), bytes.end());
    part_.masks.insert(part_.masks.end(), piece.mask.values.begin(), piece.mask.values.end());
    if (piece.mask.values.empty()) part_.labels.push_back(piece.label);
    part_.ids.push_back(piece.id);
    part_.groups.push_back(patient);
    if (!patient.empty()) patients_.insert(patient);
    if (part_.images.size() >= part_bytes) flush();
  }

  void end() {
    flush();
    row_.patients[static_cast<std::size_t>(split_)] = std::ssize(patients_);
  }

 private:
  void flush() {
    if (part_.ids.empty()) return;
    writer_.append(part_);
    add_counts(row_, split_, part_, classes_);
    part_ = {};
  }

  ShardWriter& writer_;
  Split split_;
  std::size_t classes_;
  ReportRow& row_;
  SplitData part_{};
  std::set<std::string> patients_{};
};

struct DecodedSite::Impl {
  Impl(const fs::path& path, const std::string& purpose) : spool(path, purpose) {}
  Spool spool;
};

DecodedSite::DecodedSite(const SiteJob& job, const fs::path& shard)
    : job_(job), shard_(shard), waiting_(static_cast<std::size_t>(job.count)) {
  impl_ = std::make_unique<Impl>(spool_path(shard), job.purpose);
  std::vector<std::int64_t> todo;
  for (std::int64_t i = 0; i < job.count; ++i) {
    if (interrupt_requested()) throw Interrupted{};
    const std::string tag = impl_->spool.tag(i);
    if (tag.empty() || tag != state_of(job.files(i))) {
      todo.push_back(i);
    } else {
      waiting_[static_cast<std::size_t>(i)] = summary_of(unpack(impl_->spool.get(i)));
    }
  }
  Decoding(job, impl_->spool, waiting_, std::move(todo)).run();
}

DecodedSite::~DecodedSite() = default;

void DecodedSite::describe(ShardInfo& info) const {
  const Waiting* first = nullptr;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    const Waiting& now = waiting_[i];
    if (now.pieces == 0) continue;
    if (first == nullptr) {
      first = &now;
      info.spacing = now.spacing;
    }
    HARMOFL_VALIDATE(now.size == first->size, place_of(job_, i), ": this image is ",
                     to_string(now.size), ", those before it are ", to_string(first->size),
                     ". A shard holds one size: give --size or --patch.");
    if (info.spacing != now.spacing) info.spacing.reset();
  }
  HARMOFL_VALIDATE(first != nullptr, shard_.string(), ": site '", job_.name, "' has no ", job_.unit,
                   " that can be stored. Check its files, or leave the site out.");
  info.channels = first->channels;
  info.height = first->size.height;
  info.width = first->size.width;
}

std::int64_t DecodedSite::count(Split split, const Dealt& dealt) const {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    for (std::int64_t k = 0; k < waiting_[i].pieces; ++k) {
      count += dealt.split(static_cast<std::int64_t>(i), k) == split ? 1 : 0;
    }
  }
  return count;
}

void DecodedSite::add_pieces(std::int64_t i, const Dealt& dealt, SplitFiller& filler) const {
  if (interrupt_requested()) throw Interrupted{};
  std::vector<std::int64_t> wanted;
  for (std::int64_t k = 0; k < waiting_[static_cast<std::size_t>(i)].pieces; ++k) {
    if (dealt.split(i, k) == filler.split()) wanted.push_back(k);
  }
  if (wanted.empty()) return;
  const Decoded decoded = unpack(impl_->spool.get(i));
  for (const std::int64_t k : wanted) {
    filler.add(decoded.pieces[static_cast<std::size_t>(k)], dealt.patient(i));
  }
}

ReportRow DecodedSite::write(const ShardInfo& info, int deflate, const Dealt& dealt) {
  ReportRow row;
  row.site = job_.name;
  row.sources = job_.count;
  for (const Waiting& waiting : waiting_) {
    if (waiting.pieces > 0) ++row.source_sizes[waiting.source_size];
  }
  ShardWriter writer(shard_, info, deflate);
  for (const Split split : all_splits) {
    writer.begin(split, count(split, dealt));
    SplitFiller filler(writer, split, info.class_names.size(), row);
    for (std::int64_t i = 0; i < job_.count; ++i) add_pieces(i, dealt, filler);
    filler.end();
  }
  writer.commit();
  impl_->spool.remove();
  set_shares(row);
  return row;
}

std::string checksums_of(const std::vector<fs::path>& files) {
  std::string sums;
  for (const fs::path& file : files) {
    sums += why_not_a_file(file).empty() ? file_checksum(file) : std::string("missing");
  }
  return sums;
}

}  // namespace harmofl::prepare
