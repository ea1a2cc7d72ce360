// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint/checkpoint_files.hpp"

#include "base/log.hpp"
#include "base/process/fault.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint_format.hpp"
#include "io/input_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "checkpoint-";
constexpr std::string_view suffix = ".h5";

std::string older_name(std::int64_t rounds_done) {
  char text[40];
  std::snprintf(text, sizeof text, "checkpoint-%06lld.h5", static_cast<long long>(rounds_done));
  return text;
}

/// The number in a name such as "checkpoint-000040.h5"; nothing for other names.
std::optional<std::int64_t> rounds_of(const std::string& name) {
  if (!name.starts_with(prefix) || !name.ends_with(suffix)) return std::nullopt;
  const std::string digits =
      name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
  const bool number = digits.find_first_not_of("0123456789") == std::string::npos;
  if (!number || digits.size() < 6 || digits.size() > 18) return std::nullopt;
  return std::stoll(digits);
}

/// The older checkpoints by the rounds in their names.
std::map<std::int64_t, fs::path> older_in(const fs::path& folder) {
  std::map<std::int64_t, fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (const auto rounds = rounds_of(entry->path().filename().string())) {
      found[*rounds] = entry->path();
    }
  }
  HARMOFL_VALIDATE(!failed, folder.string(), ": cannot be listed (", failed.message(),
                   "). Set run.output to a folder that you may read and write.");
  return found;
}

/// Whether there is anything of this name, be it a link that leads nowhere.
bool is_there(const fs::path& path) {
  struct stat facts {};
  if (lstat(path.c_str(), &facts) == 0) return true;
  HARMOFL_VALIDATE(errno == ENOENT, path.string(), ": cannot be looked at (", std::strerror(errno),
                   "). Set run.output to a folder that you may read and write.");
  return false;
}

/// Opens a checkpoint if a run can go on from it; else adds to `problems` why not.
std::optional<CheckpointReader> open_if_intact(const fs::path& checkpoint,
                                               std::vector<std::string>& problems) {
  try {
    return CheckpointReader(checkpoint);
  } catch (const UnreadableFile&) {
    throw;
  } catch (const UserError& error) {
    const std::string text = error.what();
    const std::string remedy = concat(". ", checkpoint_format::remedy);
    problems.push_back(text.ends_with(remedy) ? text.substr(0, text.size() - remedy.size()) : text);
    return std::nullopt;
  }
}

}  // namespace

CheckpointFiles::CheckpointFiles(fs::path folder, LinkFunction link)
    : folder_(std::move(folder)), link_(link == nullptr ? ::link : link) {}

std::vector<fs::path> CheckpointFiles::all() const {
  std::vector<fs::path> found;
  if (is_there(newest())) found.push_back(newest());
  const auto older = older_in(folder_);
  for (auto entry = older.rbegin(); entry != older.rend(); ++entry) found.push_back(entry->second);
  return found;
}

std::optional<CheckpointReader> CheckpointFiles::newest_intact() const {
  std::vector<std::string> problems;
  for (const fs::path& checkpoint : all()) {
    std::optional<CheckpointReader> intact = open_if_intact(checkpoint, problems);
    if (!intact) continue;
    if (!problems.empty()) {
      log::warn_once(concat(join(problems, "; "), ". Going on from ", checkpoint.string(),
                            " in its place: the rounds after it run again."));
    }
    return intact;
  }
  HARMOFL_VALIDATE(problems.empty(), folder_.string(), ": no checkpoint is intact (",
                   join(problems, "; "),
                   "). Put a copy of one back, or start the run anew in "
                   "another folder.");
  return std::nullopt;
}

// What can be lost at each step is said by docs/adr/0011-saves-that-survive.md.
void CheckpointFiles::put(CheckpointWriter& writer, std::int64_t keep) const {
  HARMOFL_EXPECT(keep >= 1);
  const std::int64_t rounds = writer.rounds_done();
  // More than are to be kept, of before `keep` was lowered: their room may be needed now.
  if (fs::exists(newest())) remove_all_but(keep - 1, rounds);
  writer.flush();
  fault_point("save-written", 0, rounds);
  if (keep > 1) keep_newest_as_older();
  fault_point("save-linked", 0, rounds);
  writer.commit();
  fault_point("save-placed", 0, rounds);
  remove_all_but(keep - 1, rounds);
}

// A second name leaves the newest where it is. Where the file system has no such links it is
// renamed, so that for a moment only the older name is there.
void CheckpointFiles::keep_newest_as_older() const {
  const std::optional<std::int64_t> rounds = CheckpointReader::claimed_rounds(newest());
  if (!rounds) return;
  const fs::path older = folder_ / older_name(*rounds);
  if (fs::exists(older) && fs::equivalent(older, newest())) return;
  unlink(older.c_str());  // of rounds that were run again since
  if (link_(newest().c_str(), older.c_str()) == 0) return;
  HARMOFL_VALIDATE(std::rename(newest().c_str(), older.c_str()) == 0, newest().string(),
                   ": cannot be kept as ", older.string(), " (", std::strerror(errno),
                   "). Free space on the disk, or set run.keep to 1.");
}

// What cannot be removed takes space, but is no reason to end a run.
void CheckpointFiles::remove_all_but(std::int64_t kept, std::int64_t before_round) const {
  const auto older = older_in(folder_);
  for (auto entry = older.rbegin(); entry != older.rend(); ++entry) {
    if (entry->first < before_round && kept-- > 0) continue;
    unlink(entry->second.c_str());
  }
}

void CheckpointFiles::set_aside_newer_than(const fs::path& intact) const {
  const std::vector<fs::path> found = all();
  const auto place = std::ranges::find(found, intact);
  if (place == found.end()) return;
  std::for_each(found.begin(), place, [](const fs::path& damaged) {
    fs::path aside = damaged;
    aside += ".damaged";
    HARMOFL_VALIDATE(std::rename(damaged.c_str(), aside.c_str()) == 0, damaged.string(),
                     ": cannot be renamed (", std::strerror(errno),
                     "). Set run.output to a folder that you may write.");
  });
}

}  // namespace harmofl
