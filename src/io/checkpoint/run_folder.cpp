// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/run_folder.hpp"

#include "base/log.hpp"
#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <system_error>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr const char* metrics_name = "metrics.jsonl";
constexpr const char* rounds_name = "rounds.jsonl";
constexpr const char* fingerprints_name = "fingerprints.jsonl";
constexpr std::array usual_line_files{metrics_name, rounds_name};
constexpr std::array line_files{metrics_name, rounds_name, fingerprints_name};
constexpr const char* trace_name = "trace.json";

/// What a run alone writes, so that half of one is of a run that has ended. Other programs may be
/// writing other files here: a table of `harmofl evaluate`, say.
constexpr std::array own_files{
    "checkpoint.h5",  "best.h5",          "initial.h5",      metrics_name, rounds_name,
    "config.ini",     "run.json",         "summary.json",    "fleet.csv",  "partition.csv",
    "per_sample.csv", "personalized.csv", fingerprints_name, trace_name};

constexpr const char* full_disk_remedy =
    "). Free space on the disk or set run.output to another folder; then --resume.";

const fs::path& made(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  HARMOFL_VALIDATE(!failed, folder.string(), ": the run folder cannot be made (", failed.message(),
                   "). Set run.output to a folder that you may write.");
  return folder;
}

constexpr const char* line_remedy = "Take the line out, then --resume.";

/// The lines of a file whose round is before `first_round`. What follows the last of them may be
/// anything: a process or machine that died while it wrote leaves a part of a line.
std::string lines_before(const fs::path& path, std::int64_t first_round) {
  std::ifstream file(path);
  std::string kept, line, damage;
  for (std::int64_t number = 1; std::getline(file, line) && !file.eof(); ++number) {
    const std::string place = concat(path.string(), ":", number);
    try {
      const auto entry = parse_json(line, max_json_depth);
      if (JsonValue(entry, place, line_remedy).at("round").whole({0}) >= first_round) continue;
    } catch (const JsonError& error) {
      if (damage.empty()) damage = concat(place, " ", error.what(), ". ", line_remedy);
      continue;
    }
    HARMOFL_VALIDATE(damage.empty(), damage);
    kept += line + "\n";
  }
  HARMOFL_VALIDATE(file.eof() && !file.bad(), path.string(), ": cannot be read (",
                   std::strerror(errno), "). Make it readable, then --resume.");
  return kept;
}

}  // namespace

RunFolder::RunFolder(fs::path folder, bool resume)
    : folder_(std::move(folder)), lock_(made(folder_)), checkpoints_(folder_) {
  const bool used = has_checkpoint() || fs::exists(fs::symlink_status(folder_ / metrics_name));
  HARMOFL_VALIDATE(resume || !used, folder_.string(), ": holds a run already. Continue it with ",
                   "--resume, set run.output to another folder, or remove this one.");
  for (const char* name : own_files) check_replaceable(folder_ / name);  // now, not after rounds
  if (lock_.held()) remove_leftovers();
}

// A file system that refuses is no reason not to run: the leftovers only take space.
void RunFolder::remove_leftovers() const {
  std::vector<fs::path> leftovers;
  std::error_code failed;
  for (fs::directory_iterator entry(folder_, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string target = target_of_temporary(entry->path().filename().string());
    if (std::ranges::find(own_files, target) != own_files.end()) leftovers.push_back(entry->path());
  }
  for (const fs::path& leftover : leftovers) fs::remove(leftover, failed);
}

void RunFolder::put_checkpoint(CheckpointWriter& writer, std::int64_t keep) const {
  lock_.check();
  for (const char* name : line_files) {
    const fs::path path = folder_ / name;
    const int error = fs::exists(path) ? sync_file(path) : 0;
    HARMOFL_VALIDATE(error == 0, path.string(), ": cannot be written (", std::strerror(error),
                     full_disk_remedy);
  }
  checkpoints_.put(writer, keep);
}

void RunFolder::go_on_from(const fs::path& checkpoint, std::int64_t rounds_done) const {
  drop_lines_from(rounds_done);
  checkpoints_.set_aside_newer_than(checkpoint);
}

void RunFolder::write(const std::string& name, const std::string& text) const {
  write_text_file(folder_ / name, text);
}

void RunFolder::append_metrics(const std::string& lines) const { append(metrics_name, lines); }

void RunFolder::append_rounds(const std::string& lines) const { append(rounds_name, lines); }

void RunFolder::append_fingerprints(const std::string& lines) const {
  append(fingerprints_name, lines);
}

void RunFolder::append_events(const std::string& name, const std::string& records) const {
  append(made(events()).lexically_relative(folder_) / name, records);
}

fs::path RunFolder::trace() const { return folder_ / trace_name; }

void RunFolder::append_trace(const std::string& lines) const { append(trace_name, lines); }

void RunFolder::cut_trace(std::int64_t bytes) const {
  lock_.check();
  std::error_code failed;
  fs::resize_file(trace(), static_cast<std::uintmax_t>(bytes), failed);
  HARMOFL_VALIDATE(!failed, trace().string(), ": cannot be written (", failed.message(),
                   full_disk_remedy);
}

void RunFolder::append(const fs::path& name, const std::string& lines) const {
  lock_.check();
  const fs::path path = folder_ / name;
  const int error = append_text(path, lines);
  HARMOFL_VALIDATE(error == 0, path.string(), ": cannot be written (", std::strerror(error),
                   full_disk_remedy);
}

void RunFolder::drop_lines_from(std::int64_t first_round) const {
  std::map<fs::path, std::string> kept;
  for (const char* name : line_files) {
    const fs::path path = folder_ / name;
    if (fs::exists(path)) kept[path] = lines_before(path, first_round);
  }
  for (const auto& [path, lines] : kept) write_text_file(path, lines);
  for (const char* name : usual_line_files) {
    const auto found = kept.find(folder_ / name);
    if (first_round == 0 || (found != kept.end() && !found->second.empty())) continue;
    log::warn_once(concat((folder_ / name).string(), ": has no line of the ", first_round,
                          " round(s) before. What is written from now on lacks them."));
  }
}

}  // namespace harmofl
