// SPDX-License-Identifier: Apache-2.0
/// A file in memory for readers that want a path.
#pragma once

#include "harmofl/base/text.hpp"

#include <cerrno>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <system_error>
#include <unistd.h>

namespace harmofl::fuzz {

/// Its path holds as long as the object lives. One object serves all executions of a target.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) { check(descriptor_ >= 0); }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  /// Replaces the content; returns the path.
  std::string holding(std::string_view content) {
    check(ftruncate(descriptor_, 0) == 0);
    check(pwrite(descriptor_, content.data(), content.size(), 0) ==
          static_cast<ssize_t>(content.size()));
    return concat("/proc/self/fd/", descriptor_);
  }

 private:
  static void check(bool good) {
    if (!good) throw std::system_error(errno, std::generic_category(), "a file in memory");
  }

  int descriptor_;
};

}  // namespace harmofl::fuzz
