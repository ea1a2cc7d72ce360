// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/image.hpp"

#include <algorithm>
#include <array>

namespace harmofl::prepare {
namespace {

/// ITU-R BT.601 luminance in whole numbers; equal channels give themselves.
std::uint8_t luminance(const std::array<unsigned, 3>& rgb) {
  return static_cast<std::uint8_t>((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

/// What each stored sample is in 8 bits: small depths are spread, 16 bits scaled, to the nearest.
unsigned in_8_bits(const Raster& raster, std::size_t i) {
  const unsigned sample = raster.sample(i);
  if (raster.bits == 8) return sample;
  if (raster.bits == 16) return scaled_to_8(sample);
  return sample * 255 / raster.largest();  // 1, 3 and 15 divide 255
}

/// Red, green, blue and opacity of a pixel.
std::array<unsigned, 4> colour_of(const Raster& raster, std::size_t pixel) {
  if (!raster.palette.empty()) {
    const auto& colour = raster.palette.at(raster.sample(pixel));
    return {colour[0], colour[1], colour[2], colour[3]};
  }
  const auto channels = static_cast<std::size_t>(raster.channels);
  const std::size_t first = pixel * channels;
  const bool colours = channels >= 3;
  std::array<unsigned, 4> colour{};
  for (std::size_t c = 0; c < 3; ++c) colour[c] = in_8_bits(raster, first + (colours ? c : 0));
  colour[3] = raster.has_opacity() ? in_8_bits(raster, first + channels - 1) : 255;
  return colour;
}

/// The colour over black.
std::array<unsigned, 3> over_black(const Raster& raster, std::size_t pixel) {
  const std::array<unsigned, 4> colour = colour_of(raster, pixel);
  if (raster.premultiplied || colour[3] == 255) return {colour[0], colour[1], colour[2]};
  std::array<unsigned, 3> seen{};
  for (std::size_t c = 0; c < 3; ++c) seen[c] = (colour[c] * colour[3] + 127) / 255;
  return seen;
}

}  // namespace

std::int64_t max_pixels_for(Size size) {
  constexpr std::int64_t least = std::int64_t{1} << 26, for_each = 32 * 32;
  return std::max(least, for_each * size.height * size.width);
}

Image to_image(const Raster& raster, bool grey) {
  Image image{grey ? 1 : 3, raster.size, {}};
  const std::size_t pixels = raster.pixels();
  image.values.resize(pixels * static_cast<std::size_t>(image.channels));
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::array<unsigned, 3> rgb = over_black(raster, i);
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

Image read_image(const std::filesystem::path& path, bool grey, std::int64_t max_pixels) {
  return to_image(decode(path, max_pixels), grey);
}

Image read_opaque_image(const std::filesystem::path& path, std::int64_t max_pixels) {
  const Raster raster = decode(path, max_pixels);
  Image image{3, raster.size, {}};
  const std::size_t pixels = raster.pixels();
  image.values.resize(pixels * 3);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::array<unsigned, 4> colour = colour_of(raster, i);
    for (std::size_t c = 0; c < 3; ++c) {
      image.values[c * pixels + i] = static_cast<std::uint8_t>(colour[c]);
    }
  }
  return image;
}

}  // namespace harmofl::prepare
