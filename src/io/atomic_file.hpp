// SPDX-License-Identifier: Apache-2.0
/// Files that are either whole or absent.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace harmofl {

/// Throws UserError unless a file can be put at `target`: its folder is there, and in it nothing of
/// that name, or a regular file. Folders, devices, FIFOs and links, also those to a file, are left
/// alone: to put a file in their place would take away more than what it held before.
void check_replaceable(const std::filesystem::path& target);

/// Writes beside `target` under a temporary name that no other process has; `commit` syncs the file
/// and its folder and renames it into place. Without `commit` the temporary file is removed and
/// `target` is as it was.
class AtomicFile {
 public:
  /// Throws UserError when the folder does not exist or cannot be written, or `target` may not be
  /// replaced.
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

/// The file whose temporary has this name: "checkpoint.h5" for
/// ".checkpoint.h5.tmp.4711-09f1c3a85e2b7d46", and for an earlier version's
/// ".checkpoint.h5.tmp.4711"; "" when no temporary file is called so.
std::string target_of_temporary(const std::string& name);

/// Makes the content of `path` outlive a loss of power. Returns 0 or the error's number.
int sync_file(const std::filesystem::path& path);

/// Adds `text` to the end of `path`, which is made if it is not there. Returns 0 or the error's
/// number, of closing as well: some network file systems report a full disk only then.
int append_text(const std::filesystem::path& path, std::string_view text);

/// Replaces the content of `target` with `text`, atomically.
void write_text_file(const std::filesystem::path& target, std::string_view text);

}  // namespace harmofl
