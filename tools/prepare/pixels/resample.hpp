// SPDX-License-Identifier: Apache-2.0
/// Changes the size of images: averaging over areas, and cutting into tiles.
#pragma once

#include "prepare/pixels/image.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Resamples every channel to `size`. Each new pixel is the mean of the area that it covers of the
/// old ones, border pixels by the part that is covered, rounded to nearest (halves up). Computed in
/// whole numbers, so the result is the same on every machine.
Image resample(const Image& image, Size size);

/// Resamples a mask: a new pixel has the class that covers most of its area, of classes that cover
/// as much the one with the largest number. A mask of 0 and 1 is 1 where at least half of its area
/// was 1.
Image resample_mask(const Image& mask, Size size);

/// Resamples numbers, [H, W], as `resample_mask` does classes.
std::vector<std::uint16_t> resample_numbers(const std::vector<std::uint16_t>& numbers, Size before,
                                            Size after);

/// Where tiles of `tile` start along an axis of `extent`: side by side, the last one shifted
/// inwards so that it stays inside. Expects extent >= tile.
std::vector<std::int64_t> tile_starts(std::int64_t extent, std::int64_t tile);

/// Copies the part of `size` that starts at row `top` and column `left`.
Image crop(const Image& image, std::int64_t top, std::int64_t left, Size size);

}  // namespace harmofl::prepare
