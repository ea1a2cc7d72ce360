// SPDX-License-Identifier: Apache-2.0
/// Files that benchmarks read and write, in a folder of their own below $TMPDIR.
#pragma once

#include "harmofl/base/error.hpp"

#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace harmofl::bench {

/// A new folder, removed with its files at the end.
struct Folder {
  Folder() {
    std::string name = std::filesystem::temp_directory_path() / "harmofl-kernels-XXXXXX";
    HARMOFL_VALIDATE(mkdtemp(name.data()) != nullptr, name, ": cannot be made. Set TMPDIR.");
    path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path); }

  std::filesystem::path path;
};

/// An open file.
struct Descriptor {
  Descriptor(const std::filesystem::path& path, int flags)
      : number(open(path.c_str(), flags, 0600)) {
    HARMOFL_VALIDATE(number >= 0, path.string(), ": cannot be opened.");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(number); }

  int number;
};

/// Makes the system forget the file's pages, which have to be on the disk for that.
inline void forget(const std::filesystem::path& path) {
  const Descriptor file(path, O_RDONLY);
  fsync(file.number);
  posix_fadvise(file.number, 0, 0, POSIX_FADV_DONTNEED);
}

/// Reads the file from begin to end; returns its bytes.
inline std::int64_t read_all(const std::filesystem::path& path, std::vector<char>& buffer) {
  const Descriptor file(path, O_RDONLY);
  std::int64_t bytes = 0;
  while (const auto got = read(file.number, buffer.data(), buffer.size())) {
    HARMOFL_VALIDATE(got > 0, path.string(), ": cannot be read.");
    bytes += got;
  }
  return bytes;
}

}  // namespace harmofl::bench
