// SPDX-License-Identifier: Apache-2.0
/// An image as its file holds it, and what any decoder checks before it takes memory for one.
#pragma once

#include "prepare/pixels/size.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Samples as they are stored: palettes are not resolved, depths not scaled, opacity not used.
struct Raster {
  Size size;
  int channels = 0;  ///< 1 grey or index of a colour, 2 grey and opacity, 3 RGB, 4 RGB and opacity.
  int bits = 8;      ///< Of a sample: 1, 2, 4, 8 or 16.
  bool premultiplied = false;         ///< Colours are laid over black already.
  std::vector<std::uint8_t> bytes{};  ///< [H, W, channels], one a sample, or two in machine order.
  std::vector<std::array<std::uint8_t, 4>> palette{};  ///< RGB and opacity by index, or none.

  std::size_t sample_bytes() const { return bits <= 8 ? 1 : 2; }
  std::size_t pixels() const { return static_cast<std::size_t>(size.height * size.width); }
  std::size_t row_bytes() const {
    return static_cast<std::size_t>(size.width * channels) * sample_bytes();
  }
  unsigned largest() const { return (1U << bits) - 1; }
  bool has_opacity() const { return channels == 2 || channels == 4; }

  /// Sample `i` in the order of `bytes`.
  unsigned sample(std::size_t i) const {
    if (bits <= 8) return bytes[i];
    std::uint16_t value;
    std::memcpy(&value, bytes.data() + 2 * i, sizeof(value));
    return value;
  }

  /// Makes room for the pixels, all 0.
  void allocate() { bytes.assign(static_cast<std::size_t>(size.height) * row_bytes(), 0); }
};

/// A stored 16-bit sample as 8 bits, to the nearest, as libpng scales it.
inline std::uint8_t scaled_to_8(unsigned sample) {
  return static_cast<std::uint8_t>((sample * 255 + 32895) >> 16);
}

/// Most rows and columns of an image that is read.
inline constexpr std::int64_t max_side = 32768;

/// Throws UserError when an image of `size` has more rows, columns or pixels than may be read, or
/// takes, at `bytes_a_pixel` while it is read, more than a quarter of this machine's memory.
void check_size(const std::filesystem::path& path, Size size, std::int64_t max_pixels,
                std::int64_t bytes_a_pixel);

/// Throws UserError when `stored` bytes of samples are more than the file can hold, whose
/// compression makes at most `best_compression` bytes of one.
void check_holds(const std::filesystem::path& path, Size size, std::uintmax_t stored,
                 std::uintmax_t best_compression);

/// Throws UserError, as `refuse_damaged` does, when a pixel has an index beyond the palette.
void check_indices(const std::filesystem::path& path, const char* format, const Raster& raster);

/// "FILE: cannot be read as PNG: WHY. Replace the file by an intact one."
[[noreturn]] void refuse_damaged(const std::filesystem::path& path, const char* format,
                                 const std::string& why);

}  // namespace harmofl::prepare
