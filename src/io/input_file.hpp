// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: a file that is read at any place.
#pragma once

#include "harmofl/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace harmofl {

/// A file that cannot be read whatever its content: it is not there, the user may not, the disk
/// fails. Nothing is known of its content then.
class UnreadableFile : public UserError {
 public:
  using UserError::UserError;
};

/// An open regular file.
class InputFile {
 public:
  /// Throws UnreadableFile.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  /// Size when it was opened, in bytes.
  std::int64_t size() const { return size_; }

  /// Reads as many bytes as `bytes` has, from `offset` on. Throws UnreadableFile, also where the
  /// file has less.
  void read(std::int64_t offset, std::span<std::byte> bytes) const;

  /// Whether it was written to, or cut off, since it was opened.
  bool changed() const;

 private:
  [[noreturn]] void fail(int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  std::int64_t written_ns_ = 0;  ///< Time of the last change when it was opened.
};

}  // namespace harmofl
