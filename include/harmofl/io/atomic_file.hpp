/// Files that are either whole or absent.
#pragma once

#include <filesystem>
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

  /// Syncs and renames. Throws UserError naming the file when the disk is full or read-only.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

/// Replaces the content of `path` in place, all or with an error. Returns 0 or the error's number.
int overwrite_file(const std::filesystem::path& path, std::string_view content);

/// Replaces the content of `target` with `text`, atomically.
void write_text_file(const std::filesystem::path& target, std::string_view text);

}  // namespace harmofl
