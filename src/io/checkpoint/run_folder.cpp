// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/run_folder.hpp"

#include "harmofl/base/error.hpp"
#include "io/atomic_file.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <system_error>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr const char* metrics_name = "metrics.jsonl";
constexpr const char* rounds_name = "rounds.jsonl";
constexpr std::array line_files{metrics_name, rounds_name};

/// What a run alone writes, so that half of one is of a run that has ended. Other programs may be
/// writing other files here: a table of `harmofl evaluate`, say.
constexpr std::array own_files{"checkpoint.h5", "best.h5",      "initial.h5", metrics_name,
                               rounds_name,     "config.ini",   "run.json",   "summary.json",
                               "fleet.csv",     "partition.csv"};

constexpr const char* full_disk_remedy =
    "). Free space on the disk or set run.output to another folder; then --resume.";

const fs::path& made(const fs::path& folder) {
  std::error_code failed;
  fs::create_directories(folder, failed);
  HARMOFL_VALIDATE(!failed, folder.string(), ": the run folder cannot be made (", failed.message(),
                   "). Set run.output to a folder that you may write.");
  return folder;
}

/// The lines of a file whose round is before `first_round`.
std::string lines_before(const fs::path& path, std::int64_t first_round) {
  std::ifstream file(path);
  std::string kept;
  std::string line;
  while (std::getline(file, line)) {
    const auto entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (entry.is_object() && entry.value("round", first_round) < first_round) kept += line + "\n";
  }
  return kept;
}

}  // namespace

RunFolder::RunFolder(fs::path folder, bool resume)
    : folder_(std::move(folder)), lock_(made(folder_)), checkpoints_(folder_) {
  const bool used = has_checkpoint() || fs::exists(folder_ / metrics_name);
  HARMOFL_VALIDATE(resume || !used, folder_.string(), ": holds a run already. Continue it with ",
                   "--resume, set run.output to another folder, or remove this one.");
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
  for (const char* name : line_files) {
    const fs::path path = folder_ / name;
    const int error = fs::exists(path) ? sync_file(path) : 0;
    HARMOFL_VALIDATE(error == 0, path.string(), ": cannot be written (", std::strerror(error),
                     full_disk_remedy);
  }
  checkpoints_.put(writer, keep);
}

void RunFolder::go_on_from(const fs::path& checkpoint, std::int64_t rounds_done) const {
  checkpoints_.set_aside_newer_than(checkpoint);
  drop_lines_from(rounds_done);
}

void RunFolder::write(const std::string& name, const std::string& text) const {
  write_text_file(folder_ / name, text);
}

void RunFolder::append_metrics(const std::string& lines) const { append(metrics_name, lines); }

void RunFolder::append_rounds(const std::string& lines) const { append(rounds_name, lines); }

void RunFolder::append(const char* name, const std::string& lines) const {
  const fs::path path = folder_ / name;
  std::ofstream file(path, std::ios::app | std::ios::binary);
  file << lines << std::flush;
  HARMOFL_VALIDATE(file, path.string(), ": cannot be written (", std::strerror(errno),
                   full_disk_remedy);
}

void RunFolder::drop_lines_from(std::int64_t first_round) const {
  for (const char* name : line_files) {
    const fs::path path = folder_ / name;
    if (fs::exists(path)) write_text_file(path, lines_before(path, first_round));
  }
}

}  // namespace harmofl
