// SPDX-License-Identifier: Apache-2.0
/// Reading a file of lines that another process, perhaps on another machine, is writing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// What was added to a file since it was last looked at. A line counts once its end is there.
class LineFile {
 public:
  explicit LineFile(std::filesystem::path path) : path_(std::move(path)) {}

  struct News {
    bool from_the_start = false;  ///< Another file, or a shorter one: what was read before is void.
    std::vector<std::string> lines = {};
  };

  /// Nothing where there is no file. Throws UserError where there is one that cannot be read.
  News read();

 private:
  std::filesystem::path path_;
  std::uint64_t device_ = 0, inode_ = 0;
  std::int64_t offset_ = 0;  ///< Bytes taken as lines.
};

/// Seconds since 1970 at which a file was last written; -1 where there is none.
double written_at_s(const std::filesystem::path& path);

}  // namespace harmofl
