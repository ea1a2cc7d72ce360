// SPDX-License-Identifier: Apache-2.0
/// What holds for every image that a decoder gives.
#pragma once

#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "prepare/pixels/image.hpp"

#include <string_view>

namespace harmofl::fuzz {

/// Most pixels of an image that is fuzzed: what a file of any size can claim takes memory and time.
inline constexpr std::int64_t fuzzed_pixels = std::int64_t{1} << 22;

using Decoder = prepare::Raster (*)(const std::filesystem::path& path, std::int64_t max_pixels);

/// Decodes `input` and checks the result.
inline void check_decoder(Decoder decode, std::string_view input) {
  static MemoryFile file;
  const prepare::Raster raster = decode(file.holding(input), fuzzed_pixels);
  require(raster.size.height > 0 && raster.size.width > 0, "images have pixels");
  require(raster.channels >= 1 && raster.channels <= 4, "images have 1 to 4 channels");
  require(raster.bytes.size() == static_cast<std::size_t>(raster.size.height) * raster.row_bytes(),
          "a sample a pixel and channel");
  for (std::size_t i = 0; i < raster.bytes.size() / raster.sample_bytes(); ++i) {
    require(raster.sample(i) <= raster.largest(), "samples fit their depth");
  }
  const prepare::Image image = prepare::to_image(raster, false);
  require(image.values.size() == 3 * raster.pixels(), "a value a pixel and channel");
}

}  // namespace harmofl::fuzz
