// SPDX-License-Identifier: Apache-2.0
/// Images and masks in memory and from files.
#pragma once

#include "prepare/decode/formats.hpp"
#include "prepare/pixels/size.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl::prepare {

/// 8-bit pixels, [C, H, W] as shards store them.
struct Image {
  std::int64_t channels = 0;
  Size size;
  std::vector<std::uint8_t> values;
};

/// Most pixels of an image that becomes one of `size`: 32 a side for each that is kept, what is
/// beyond would be averaged away; and 8192 x 8192, which any machine can hold, whatever the size.
std::int64_t max_pixels_for(Size size);

/// An image as 8-bit RGB (`grey` false) or luminance (`grey` true).
///
/// Palettes are resolved, other depths scaled to 8 bits, opacity is laid over black. Gamma and
/// colour profiles are ignored: samples are taken as they are.
Image to_image(const Raster& raster, bool grey);

/// Reads an image of any known format as `to_image` gives it. Throws UserError as `decode` does.
Image read_image(const std::filesystem::path& path, bool grey,
                 std::int64_t max_pixels = usual_max_pixels);

/// Reads an image as 8-bit RGB whatever its opacity says, which is dropped. Else as `read_image`.
Image read_opaque_image(const std::filesystem::path& path,
                        std::int64_t max_pixels = usual_max_pixels);

}  // namespace harmofl::prepare
