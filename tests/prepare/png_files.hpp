// SPDX-License-Identifier: Apache-2.0
/// PNG files for the tests of harmofl-prepare.
#pragma once

#include "support/errors.hpp"

#include <gtest/gtest.h>
#include <png.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::test {

/// Writes interleaved 8-bit samples, [H, W, channels] with 1 (grey), 3 (RGB) or 4 (RGBA) channels.
inline void write_png(const std::filesystem::path& path, int height, int width, int channels,
                      const std::vector<std::uint8_t>& samples) {
  std::filesystem::create_directories(path.parent_path());
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(height);
  image.width = static_cast<png_uint_32>(width);
  image.format = channels == 1 ? PNG_FORMAT_GRAY : channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_RGBA;
  ASSERT_NE(png_image_write_to_file(&image, path.c_str(), 0, samples.data(), 0, nullptr), 0);
}

/// Writes `folder`/`id`.png, one colour, and its mask, whose first row is foreground.
inline void write_pair(const std::filesystem::path& folder, const std::string& id, int height,
                       int width, std::uint8_t colour) {
  const auto pixels = static_cast<std::size_t>(height * width);
  write_png(folder / (id + ".png"), height, width, 3,
            std::vector<std::uint8_t>(pixels * 3, colour));
  std::vector<std::uint8_t> mask(pixels, 0);
  for (int x = 0; x < width; ++x) mask[static_cast<std::size_t>(x)] = 255;
  write_png(folder / (id + "_mask.png"), height, width, 1, mask);
}

}  // namespace harmofl::test
