// SPDX-License-Identifier: Apache-2.0
/// Images in memory and from PNG files.
#pragma once

#include "prepare/options.hpp"

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

/// Reads a PNG of any kind as 8-bit RGB (`grey` false) or luminance (`grey` true).
///
/// Palettes are resolved, 16-bit samples scaled to 8, transparency is laid over black. Gamma and
/// colour profiles are ignored: samples are taken as they are. Throws UserError with libpng's
/// message when the file cannot be decoded.
Image read_png(const std::filesystem::path& path, bool grey);

/// Reads a PNG as a mask of 0 and 1, one channel. Throws UserError unless the file is grey and
/// holds only 0 and 255, or only 0 and 1.
Image read_mask(const std::filesystem::path& path);

}  // namespace harmofl::prepare
