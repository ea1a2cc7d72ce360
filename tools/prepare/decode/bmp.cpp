// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "prepare/decode/decoders.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t file_header_bytes = 14, info_header_bytes = 40, largest_header_bytes = 124;
constexpr std::int64_t mask_bytes = 12;  ///< Three masks of colour may follow the smallest header.
constexpr std::int64_t bmp_planes_a_pixel = 4;  ///< Bytes of what is made of a pixel later.
constexpr std::uint32_t no_compression = 0, by_masks = 3, by_masks_with_opacity = 6;

/// Little-endian fields of a header.
class BmpFields {
 public:
  explicit BmpFields(std::vector<std::uint8_t> bytes) : bytes_(std::move(bytes)) {}
  std::uint32_t u16(std::size_t at) const { return bytes_[at] | bytes_[at + 1] * 256U; }
  std::uint32_t u32(std::size_t at) const { return u16(at) | u16(at + 2) << 16U; }
  std::int64_t i32(std::size_t at) const { return static_cast<std::int32_t>(u32(at)); }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// What the headers say.
struct BmpHeader {
  Size size;
  bool top_down = false;
  int bits = 0;  ///< Of a pixel: 1, 4, 8, 24 or 32.
  bool opacity = false;
  std::int64_t pixels_at = 0;   ///< Place of the first stored row, in bytes.
  std::int64_t palette_at = 0;  ///< Place of the palette, in bytes.
  std::int64_t colours = 0;     ///< Entries of the palette.

  std::int64_t row_bytes() const { return (size.width * bits + 31) / 32 * 4; }
};

class BmpFile {
 public:
  explicit BmpFile(const std::filesystem::path& path)
      : path_(path),
        file_(open_c_file(path)),
        size_(static_cast<std::int64_t>(std::filesystem::file_size(path))) {}

  std::vector<std::uint8_t> bytes(std::int64_t begin, std::int64_t count) const {
    std::vector<std::uint8_t> read(static_cast<std::size_t>(holds(begin, count)));
    const bool good = std::fseek(file_.get(), static_cast<long>(begin), SEEK_SET) == 0 &&
                      std::fread(read.data(), 1, read.size(), file_.get()) == read.size();
    if (!good) refuse_damaged(path_, "BMP", "it cannot be read to its end");
    return read;
  }
  /// Gives `count` back when that many bytes are there.
  std::int64_t holds(std::int64_t begin, std::int64_t count) const {
    if (begin < 0 || count < 0 || begin > size_ || count > size_ - begin) {
      refuse_damaged(path_, "BMP", concat("it ends at byte ", size_, ", before what it claims"));
    }
    return count;
  }
  [[noreturn]] void unread(const std::string& what) const {
    throw UserError(concat(path_.string(), ": this BMP has ", what,
                           ", which is not read. Save it as PNG, or with 24 bits a pixel."));
  }

 private:
  std::filesystem::path path_;
  CFile file_;
  std::int64_t size_;
};

/// Masks of colour are read where they say what 32 bits hold without any: blue, green, red, then
/// opacity or nothing.
bool has_opacity_mask(const BmpFile& file, bool named) {
  const BmpFields masks(file.bytes(file_header_bytes + info_header_bytes, mask_bytes + 4));
  if (masks.u32(0) != 0xFF0000 || masks.u32(4) != 0xFF00 || masks.u32(8) != 0xFF) {
    file.unread("masks of colour other than one byte each of blue, green and red");
  }
  return named && masks.u32(12) == 0xFF000000;
}

BmpHeader read_bmp_header(const BmpFile& file) {
  const BmpFields first(file.bytes(0, file_header_bytes + 4));
  const std::int64_t header_bytes = first.u32(14);
  if (header_bytes < info_header_bytes || header_bytes > largest_header_bytes) {
    file.unread(concat("a header of ", header_bytes, " bytes (OS/2)"));
  }
  const BmpFields info(file.bytes(file_header_bytes, info_header_bytes));
  BmpHeader header;
  const std::int64_t rows = info.i32(8);
  header.size = {rows < 0 ? -rows : rows, info.i32(4)};
  header.top_down = rows < 0;
  header.bits = static_cast<int>(info.u16(14));
  header.pixels_at = first.u32(10);
  const std::uint32_t compression = info.u32(16);
  const bool masked = compression == by_masks || compression == by_masks_with_opacity;
  if (compression != no_compression && !(masked && header.bits == 32)) {
    file.unread(concat("compression or masks of kind ", compression));
  }
  const auto known = {1, 4, 8, 24, 32};
  if (std::find(known.begin(), known.end(), header.bits) == known.end()) {
    file.unread(concat(header.bits, " bits a pixel"));
  }
  const bool fourth =
      header_bytes >= info_header_bytes + mask_bytes + 4 || compression == by_masks_with_opacity;
  header.opacity = masked && has_opacity_mask(file, fourth);
  header.palette_at = file_header_bytes + header_bytes;
  const std::int64_t most = header.bits <= 8 ? std::int64_t{1} << header.bits : 0;
  const std::int64_t said = info.u32(32);
  header.colours = said == 0 ? most : std::min(said, most);
  return header;
}

/// Unpacks one stored row to a byte a sample: indices, or red, green, blue and perhaps opacity.
void unpack_bmp_row(const std::uint8_t* stored, const BmpHeader& header, std::uint8_t* row) {
  const auto bits = static_cast<unsigned>(header.bits);
  for (std::int64_t x = 0; x < header.size.width; ++x) {
    const auto i = static_cast<std::size_t>(x);
    if (bits <= 8) {
      const std::size_t bit = i * bits;
      row[i] =
          static_cast<std::uint8_t>((stored[bit / 8] >> (8 - bits - bit % 8)) & ((1U << bits) - 1));
      continue;
    }
    const std::uint8_t* pixel = stored + i * bits / 8;
    for (std::size_t c = 0; c < 3; ++c) *row++ = pixel[2 - c];
    if (header.opacity) *row++ = pixel[3];
  }
}

/// The fourth byte of a pixel without masks means nothing; some programs put opacity there all the
/// same, so that it must be the same everywhere. Returns the one value so far.
std::optional<std::uint8_t> check_spare(const BmpFile& file, const std::uint8_t* stored,
                                        std::int64_t width, std::optional<std::uint8_t> before) {
  for (std::int64_t x = 0; x < width; ++x) {
    const std::uint8_t spare = stored[4 * x + 3];
    if (before && *before != spare) file.unread("a fourth channel that it does not name");
    before = spare;
  }
  return before;
}

void read_bmp_palette(const std::filesystem::path& path, const BmpFile& file,
                      const BmpHeader& header, Raster& raster) {
  const std::vector<std::uint8_t> stored = file.bytes(header.palette_at, 4 * header.colours);
  for (std::size_t i = 0; i < stored.size(); i += 4) {
    raster.palette.push_back({stored[i + 2], stored[i + 1], stored[i], 255});
  }
  check_indices(path, "BMP", raster);
}

}  // namespace

Raster decode_bmp(const std::filesystem::path& path, std::int64_t max_pixels) {
  const BmpFile file(path);
  const BmpHeader header = read_bmp_header(file);
  Raster raster{header.size,
                header.bits <= 8 ? 1
                : header.opacity ? 4
                                 : 3,
                header.bits <= 8 ? header.bits : 8};
  check_size(path, raster.size, max_pixels, raster.channels + bmp_planes_a_pixel);
  file.holds(header.pixels_at, header.size.height * header.row_bytes());
  raster.allocate();
  const bool spare = header.bits == 32 && !header.opacity;
  std::optional<std::uint8_t> spare_value;
  for (std::int64_t y = 0; y < header.size.height; ++y) {
    const auto stored = file.bytes(header.pixels_at + y * header.row_bytes(), header.row_bytes());
    const std::int64_t to = header.top_down ? y : header.size.height - 1 - y;
    unpack_bmp_row(stored.data(), header,
                   raster.bytes.data() + static_cast<std::size_t>(to) * raster.row_bytes());
    if (spare) spare_value = check_spare(file, stored.data(), header.size.width, spare_value);
  }
  if (header.bits <= 8) read_bmp_palette(path, file, header, raster);
  return raster;
}

}  // namespace harmofl::prepare
