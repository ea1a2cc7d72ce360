// SPDX-License-Identifier: Apache-2.0
/// Fills polygons, in whole numbers, so that every machine fills alike.
///
/// The rule: a pixel belongs to a polygon when its centre does, by even-odd. Coordinates are those
/// of the image's plane: (0, 0) is the upper left corner of the first pixel, whose centre is
/// (0.5, 0.5). A centre on an edge belongs to the polygon on its right or, on a horizontal edge,
/// the one below: two polygons that share an edge share no pixel and leave none out.
#pragma once

#include "prepare/pixels/size.hpp"

#include <cstdint>
#include <functional>
#include <vector>

namespace harmofl::prepare {

/// Parts of a pixel to which corners are rounded.
inline constexpr std::int64_t subpixels = 1024;

/// Most pixels that a corner may lie away from the image's own.
inline constexpr std::int64_t max_coordinate = 1'000'000;

/// A corner, in 1/1024 of a pixel.
struct Corner {
  std::int64_t x = 0;
  std::int64_t y = 0;

  bool operator==(const Corner&) const = default;
};

/// Steps that it takes to fill a polygon on an image of `size`: rows that its edges cross, and
/// pixels of the box around it.
std::int64_t fill_steps(const std::vector<Corner>& corners, Size size);

/// Calls `paint(row, begin, end)` for every run of columns that belongs to the polygon. What lies
/// outside of the image is left out; fewer than three corners hold nothing. Expects coordinates of
/// at most `max_coordinate` pixels.
void fill_polygon(
    const std::vector<Corner>& corners, Size size,
    const std::function<void(std::int64_t row, std::int64_t begin, std::int64_t end)>& paint);

}  // namespace harmofl::prepare
