// SPDX-License-Identifier: Apache-2.0
#include "prepare/image.hpp"

#include "base/memory.hpp"
#include "harmofl/base/error.hpp"

#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

namespace harmofl::prepare {
namespace {

constexpr png_uint_32 max_pixels_a_side = 32768;
constexpr std::size_t rgba = 4;
constexpr std::uintmax_t best_compression = 1032;  ///< Deflate shrinks at most 1032 to 1.

/// All state of one read, so that no local object lives across libpng's longjmp.
struct Reading {
  Reading() = default;
  ~Reading() { png_destroy_read_struct(&png, &info, nullptr); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  png_structp png = nullptr;
  png_infop info = nullptr;
  std::string error;
  bool grey = false;  ///< The file stores no colours.
  Size size;
  std::size_t stored_row_bytes = 0;  ///< As the file holds them, before compression.
  std::vector<std::uint8_t> pixels;  ///< [H, W, RGBA]
  std::vector<png_bytep> rows;
};

extern "C" {
void on_png_error(png_structp png, png_const_charp message) {
  static_cast<Reading*>(png_get_error_ptr(png))->error = message;
  std::longjmp(png_jmpbuf(png), 1);
}
void on_png_warning(png_structp, png_const_charp) {}
}

/// Asks libpng for 8-bit RGBA whatever the file stores.
void request_rgba(Reading& reading) {
  const int colour = png_get_color_type(reading.png, reading.info);
  reading.grey = (colour & PNG_COLOR_MASK_COLOR) == 0;
  png_set_scale_16(reading.png);
  png_set_expand(reading.png);
  png_set_gray_to_rgb(reading.png);
  png_set_add_alpha(reading.png, 0xFF, PNG_FILLER_AFTER);
  png_set_interlace_handling(reading.png);
  png_read_update_info(reading.png, reading.info);
}

/// Both return false with `reading.error` set when libpng gives up. Nothing that libpng's longjmp
/// would leave behind may live in them.
bool decode_header(Reading& reading, std::FILE* file) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_init_io(reading.png, file);
  png_set_user_limits(reading.png, max_pixels_a_side, max_pixels_a_side);
  png_read_info(reading.png, reading.info);
  reading.size = {png_get_image_height(reading.png, reading.info),
                  png_get_image_width(reading.png, reading.info)};
  reading.stored_row_bytes = png_get_rowbytes(reading.png, reading.info);
  request_rgba(reading);
  return true;
}

bool decode_pixels(Reading& reading) {
  if (setjmp(png_jmpbuf(reading.png)) != 0) return false;
  png_read_image(reading.png, reading.rows.data());
  png_read_end(reading.png, nullptr);
  return true;
}

/// Throws UserError when the file cannot hold as many pixels as it claims, or the memory cannot.
void check_claim(const Reading& reading, const std::filesystem::path& path) {
  const auto height = static_cast<std::uintmax_t>(reading.size.height);
  const std::uintmax_t stored = height * reading.stored_row_bytes;
  const std::uintmax_t bytes = std::filesystem::file_size(path);
  HARMOFL_VALIDATE(stored / best_compression <= bytes, path.string(), ": claims ",
                   to_string(reading.size), " pixels, more than its ", bytes,
                   " bytes can hold. Replace the file by an intact one.");
  const std::uintmax_t needed = height * static_cast<std::uintmax_t>(reading.size.width) * rgba;
  const auto memory = static_cast<std::uintmax_t>(machine_memory_bytes());
  HARMOFL_VALIDATE(needed <= memory, path.string(), ": its ", to_string(reading.size),
                   " pixels take ", needed, " bytes, this machine has ", memory,
                   ". Cut the image into smaller ones.");
}

void load(const std::filesystem::path& path, Reading& reading) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  HARMOFL_VALIDATE(file, path.string(), ": cannot be opened: ", std::strerror(errno), ".");
  reading.png =
      png_create_read_struct(PNG_LIBPNG_VER_STRING, &reading, on_png_error, on_png_warning);
  reading.info = reading.png != nullptr ? png_create_info_struct(reading.png) : nullptr;
  if (reading.info == nullptr) throw std::bad_alloc();
  const auto check = [&](bool decoded) {
    HARMOFL_VALIDATE(decoded, path.string(), ": cannot be read as PNG: ", reading.error,
                     ". Replace the file by an intact one.");
  };
  check(decode_header(reading, file.get()));
  check_claim(reading, path);
  const auto height = static_cast<std::size_t>(reading.size.height);
  const std::size_t stride = static_cast<std::size_t>(reading.size.width) * rgba;
  reading.pixels.resize(height * stride);
  reading.rows.resize(height);
  for (std::size_t y = 0; y < height; ++y) reading.rows[y] = reading.pixels.data() + y * stride;
  check(decode_pixels(reading));
}

/// ITU-R BT.601 luminance in whole numbers; equal channels give themselves.
std::uint8_t luminance(const std::array<unsigned, 3>& rgb) {
  return static_cast<std::uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

}  // namespace

Image read_png(const std::filesystem::path& path, bool grey) {
  Reading reading;
  load(path, reading);
  Image image{grey ? 1 : 3, reading.size, {}};
  const auto pixels = static_cast<std::size_t>(reading.size.height * reading.size.width);
  image.values.resize(pixels * static_cast<std::size_t>(image.channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* pixel = reading.pixels.data() + i * rgba;
    std::array<unsigned, 3> rgb{};
    for (std::size_t c = 0; c < 3; ++c) rgb[c] = (pixel[c] * unsigned{pixel[3]} + 127) / 255;
    if (grey) {
      image.values[i] = luminance(rgb);
    } else {
      for (std::size_t c = 0; c < 3; ++c) {
        image.values[c * pixels + i] = static_cast<std::uint8_t>(rgb[c]);
      }
    }
  }
  return image;
}

Image read_mask(const std::filesystem::path& path) {
  Reading reading;
  load(path, reading);
  HARMOFL_VALIDATE(reading.grey, path.string(), ": a mask must be a grey PNG, this one has ",
                   "colours. Save it with one channel, 0 for background and 255 for foreground.");
  Image mask{1, reading.size, {}};
  const auto pixels = static_cast<std::size_t>(reading.size.height * reading.size.width);
  mask.values.resize(pixels);
  for (std::size_t i = 0; i < pixels; ++i) mask.values[i] = reading.pixels[i * rgba];
  const std::uint8_t top = *std::max_element(mask.values.begin(), mask.values.end());
  const std::uint8_t foreground = top <= 1 ? 1 : 255;
  for (std::uint8_t& value : mask.values) {
    HARMOFL_VALIDATE(value == 0 || value == foreground, path.string(), ": a mask must hold only 0 ",
                     "and 255 (or 0 and 1), this one holds ", int{value}, ". Threshold it first.");
    value = value != 0 ? 1 : 0;
  }
  return mask;
}

}  // namespace harmofl::prepare
