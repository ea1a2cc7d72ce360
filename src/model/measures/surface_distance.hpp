// SPDX-License-Identifier: Apache-2.0
/// Distances between the borders of two masks.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace harmofl {

/// Distance between the centres of neighbouring pixels: of two rows, of two columns.
using Spacing = std::array<double, 2>;
inline constexpr Spacing pixels_apart{1.0, 1.0};

struct SurfaceDistances {
  double hd95 = 0.0;  ///< 95th percentile of both directions' distances together.
  double assd = 0.0;  ///< Their mean.
};

/// Masks of one image, row-major; what is not 0 belongs to the mask.
struct MaskPair {
  std::span<const std::uint8_t> first, second;
  std::int64_t height = 0;
  std::int64_t width = 0;
};

/// The distances as `hd95` and `assd` of MedPy 0.5 (medpy.metric.binary, connectivity 1) define
/// them, both masks not empty. The border of a mask are its pixels of which one of the four
/// neighbours is not in it; outside the image nothing is. A directed distance is that of a border
/// pixel's centre from the nearest border pixel of the other mask; the percentile is interpolated
/// linearly. Where both masks are empty, they agree: 0. Where one is, the diagonal of the image
/// stands for both measures: the largest distance that two of its pixels have, so that finding
/// nothing is never better than finding something.
SurfaceDistances surface_distances(const MaskPair& masks, const Spacing& spacing);

/// sqrt(((height - 1) spacing[0])^2 + ((width - 1) spacing[1])^2).
double image_diagonal(std::int64_t height, std::int64_t width, const Spacing& spacing);

}  // namespace harmofl
