// SPDX-License-Identifier: Apache-2.0
/// Checksums of content: XXH3, 128 bits, as 32 hexadecimal digits. They find damage, not malice.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace harmofl {

/// Returns the checksum of `bytes`.
std::string checksum(std::span<const std::byte> bytes);

/// Adds pieces up to one checksum; the order of the pieces matters, their sizes do not.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::span<const std::byte> bytes);
  std::string digest() const;

 private:
  struct State;
  State* state_;
};

/// Returns the checksum of a file's bytes. Throws UserError when it cannot be read.
std::string file_checksum(const std::filesystem::path& path);

}  // namespace harmofl
