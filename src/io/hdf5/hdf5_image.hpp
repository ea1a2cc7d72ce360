// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: the memory of an HDF5 file that is made there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace harmofl::hdf5 {

/// Lends HDF5's core driver the memory that a file grows in, and keeps it when the file is closed,
/// so that its bytes need not be copied. Outlives the file.
class Image {
 public:
  Image() = default;
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  /// Makes `properties`, which a file is then made with, use the core driver and this memory.
  /// Returns false when HDF5 refuses.
  bool lend_to(std::int64_t properties);

  /// The first `size` bytes of the file.
  std::string_view bytes(std::size_t size) const { return {memory_.get(), size}; }

 private:
  struct Free {
    void operator()(char* memory) const;
  };

  char* resize(std::size_t size);

  std::unique_ptr<char, Free> memory_;
  std::size_t capacity_ = 0;  // bytes
};

}  // namespace harmofl::hdf5
