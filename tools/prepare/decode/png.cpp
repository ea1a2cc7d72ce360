// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "prepare/decode/decoders.hpp"

#include <png.h>

#include <bit>
#include <csetjmp>
#include <new>
#include <optional>
#include <string>

namespace harmofl::prepare {
namespace {

constexpr std::uintmax_t best_deflate = 1032;   ///< Deflate shrinks at most 1032 to 1.
constexpr std::int64_t png_planes_a_pixel = 4;  ///< Bytes of what is made of a pixel later.

/// All state of one read, so that no local object lives across libpng's longjmp.
struct PngReading {
  PngReading() = default;
  ~PngReading() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReading(const PngReading&) = delete;
  PngReading& operator=(const PngReading&) = delete;

  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string error;
  std::size_t stored_row_bytes = 0;  ///< As the file holds them, before compression.
  std::vector<png_bytep> rows;
  Raster raster;
};

extern "C" {
void on_png_error(png_structp png, png_const_charp message) {
  static_cast<PngReading*>(png_get_error_ptr(png))->error = message;
  std::longjmp(png_jmpbuf(png), 1);
}
void on_png_warning(png_structp, png_const_charp) {}
}

/// Both return false with `reading.error` set when libpng gives up. Nothing that libpng's longjmp
/// would leave behind may live in them.
bool decode_png_header(PngReading& reading, std::FILE* file) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_init_io(reading.png, file);
  png_set_user_limits(reading.png, max_side, max_side);
  png_read_info(reading.png, reading.info);
  reading.raster.size = {png_get_image_height(reading.png, reading.info),
                         png_get_image_width(reading.png, reading.info)};
  reading.stored_row_bytes = png_get_rowbytes(reading.png, reading.info);
  reading.raster.bits = png_get_bit_depth(reading.png, reading.info);
  reading.raster.channels = png_get_channels(reading.png, reading.info);
  png_set_packing(reading.png);
  if (std::endian::native == std::endian::little) png_set_swap(reading.png);
  png_set_interlace_handling(reading.png);
  png_read_update_info(reading.png, reading.info);
  return true;
}

bool decode_png_pixels(PngReading& reading) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_read_image(reading.png, reading.rows.data());
  png_read_end(reading.png, nullptr);
  return true;
}

void read_png_palette(const PngReading& reading, Raster& raster) {
  png_colorp colours = nullptr;
  int count = 0;
  png_get_PLTE(reading.png, reading.info, &colours, &count);
  png_bytep opacity = nullptr;
  int with_opacity = 0;
  png_get_tRNS(reading.png, reading.info, &opacity, &with_opacity, nullptr);
  for (int i = 0; i < count; ++i) {
    raster.palette.push_back({colours[i].red, colours[i].green, colours[i].blue,
                              i < with_opacity ? opacity[i] : std::uint8_t{255}});
  }
}

/// The one grey or colour that is transparent in a file without opacities, if there is one.
std::optional<std::array<unsigned, 3>> transparent_colour(const PngReading& reading) {
  png_color_16p colour = nullptr;
  if (png_get_tRNS(reading.png, reading.info, nullptr, nullptr, &colour) == 0) return {};
  if (reading.raster.channels == 1) return {{colour->gray, 0, 0}};
  return {{colour->red, colour->green, colour->blue}};
}

/// Adds an opacity to every pixel: none where it has `colour`, else all.
Raster with_opacity(const Raster& before, const std::array<unsigned, 3>& colour) {
  Raster after{before.size, before.channels + 1, before.bits};
  after.allocate();
  const auto channels = static_cast<std::size_t>(before.channels);
  const std::size_t bytes = before.sample_bytes();
  for (std::size_t i = 0; i < before.pixels(); ++i) {
    bool same = true;
    for (std::size_t c = 0; c < channels; ++c) {
      same = same && before.sample(i * channels + c) == colour[c];
    }
    std::uint8_t* pixel = after.bytes.data() + i * (channels + 1) * bytes;
    std::memcpy(pixel, before.bytes.data() + i * channels * bytes, channels * bytes);
    const auto opacity = static_cast<std::uint16_t>(same ? 0 : before.largest());
    if (bytes == 2) {
      std::memcpy(pixel + channels * bytes, &opacity, sizeof(opacity));
    } else {
      pixel[channels] = static_cast<std::uint8_t>(opacity);
    }
  }
  return after;
}

}  // namespace

Raster decode_png(const std::filesystem::path& path, std::int64_t max_pixels) {
  const CFile file = open_c_file(path);
  PngReading reading;
  reading.png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, on_png_error, on_png_warning);
  reading.info = reading.png != nullptr ? png_create_info_struct(reading.png) : nullptr;
  if (reading.info == nullptr) throw std::bad_alloc();
  if (!decode_png_header(reading, file.get())) refuse_damaged(path, "PNG", reading.error);
  Raster& raster = reading.raster;
  check_holds(path, raster.size,
              static_cast<std::uintmax_t>(raster.size.height) * reading.stored_row_bytes,
              best_deflate);
  const bool indexed = png_get_color_type(reading.png, reading.info) == PNG_COLOR_TYPE_PALETTE;
  const auto key = indexed ? std::nullopt : transparent_colour(reading);
  const auto sample_bytes = static_cast<std::int64_t>(raster.sample_bytes());
  const std::int64_t stored = raster.channels * sample_bytes;
  check_size(path, raster.size, max_pixels,
             stored + (key ? stored + sample_bytes : 0) + png_planes_a_pixel);
  raster.allocate();
  for (std::int64_t y = 0; y < raster.size.height; ++y) {
    reading.rows.push_back(raster.bytes.data() + static_cast<std::size_t>(y) * raster.row_bytes());
  }
  if (!decode_png_pixels(reading)) refuse_damaged(path, "PNG", reading.error);
  if (indexed) {
    read_png_palette(reading, raster);
    check_indices(path, "PNG", raster);
  }
  return key ? with_opacity(raster, *key) : std::move(raster);
}

}  // namespace harmofl::prepare
