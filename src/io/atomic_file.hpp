// SPDX-License-Identifier: Apache-2.0
/// Files that are either whole or absent.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace harmofl {

/// Writes beside `target` under a temporary name; `commit` syncs the file and its folder and
/// renames it into place. Without `commit` the temporary file is removed and `target` is as it was.
class AtomicFile {
 public:
  /// Throws UserError when the folder does not exist or cannot be written.
  explicit AtomicFile(std::filesystem::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Where to write until `commit`.
  const std::filesystem::path& temporary() const { return temporary_; }

  /// Makes what was written outlive a loss of power, still under its temporary name. Throws
  /// UserError naming the file when the disk is full.
  void flush();

  /// Flushes unless that was done, renames, and syncs the folder. Throws UserError naming the file
  /// when the disk is full or read-only.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool flushed_ = false;
  bool committed_ = false;
};

/// The file whose temporary has this name, "checkpoint.h5" for ".checkpoint.h5.tmp.4711"; "" when
/// it is the name of no temporary file.
std::string target_of_temporary(const std::string& name);

/// Makes the content of `path` outlive a loss of power. Returns 0 or the error's number.
int sync_file(const std::filesystem::path& path);

/// Replaces the content of `target` with `text`, atomically.
void write_text_file(const std::filesystem::path& target, std::string_view text);

}  // namespace harmofl
