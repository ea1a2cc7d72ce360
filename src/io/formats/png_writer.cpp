// SPDX-License-Identifier: Apache-2.0
#include "io/formats/png_writer.hpp"

#include "harmofl/base/error.hpp"

#include <zlib.h>

#include <limits>
#include <new>
#include <string_view>

namespace harmofl {
namespace {

constexpr std::string_view signature("\x89PNG\r\n\x1a\n", 8);

/// Four bytes, the most significant first.
std::string big_endian(std::uint64_t number) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(number >> shift & 0xFFU);
  return bytes;
}

std::string chunk(const std::string& type, const std::string& data) {
  const std::string summed = type + data;
  const uLong sum = crc32_z(0, reinterpret_cast<const Bytef*>(summed.data()), summed.size());
  return big_endian(data.size()) + summed + big_endian(sum);
}

std::string compressed(const std::string& bytes) {
  uLongf size = compressBound(bytes.size());
  std::string packed(size, '\0');
  const int state = compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                             reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
  if (state != Z_OK) throw std::bad_alloc();  // the room suffices, so that it was the memory
  packed.resize(size);
  return packed;
}

/// What a file says of each pixel: 8 bits a value, and no more.
struct Kind {
  std::int64_t values;      ///< Of a pixel.
  std::string_view header;  ///< Depth, colour type, compression, filter, interlacing.
};

constexpr Kind grey{1, {"\x08\x00\x00\x00\x00", 5}};
constexpr Kind colour{3, {"\x08\x02\x00\x00\x00", 5}};

std::string png(const Kind& kind, std::span<const std::uint8_t> pixels, std::int64_t height,
                std::int64_t width) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  HARMOFL_EXPECT(height > 0 && height <= most && width > 0 && width <= most);
  HARMOFL_EXPECT(std::ssize(pixels) == kind.values * height * width);
  const std::string header = big_endian(static_cast<std::uint64_t>(width)) +
                             big_endian(static_cast<std::uint64_t>(height)) +
                             std::string(kind.header);
  const auto row_bytes = static_cast<std::size_t>(kind.values * width);
  std::string rows;
  rows.reserve(pixels.size() + static_cast<std::size_t>(height));
  for (std::size_t begin = 0; begin < pixels.size(); begin += row_bytes) {
    rows += '\0';  // the row's filter: none
    rows.append(reinterpret_cast<const char*>(pixels.data() + begin), row_bytes);
  }
  return std::string(signature) + chunk("IHDR", header) + chunk("IDAT", compressed(rows)) +
         chunk("IEND", "");
}

}  // namespace

std::string grey_png(std::span<const std::uint8_t> pixels, std::int64_t height,
                     std::int64_t width) {
  return png(grey, pixels, height, width);
}

std::string colour_png(std::span<const std::uint8_t> pixels, std::int64_t height,
                       std::int64_t width) {
  return png(colour, pixels, height, width);
}

}  // namespace harmofl
