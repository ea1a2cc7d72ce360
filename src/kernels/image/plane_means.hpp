// SPDX-License-Identifier: Apache-2.0
/// Sums over image planes and shifts of them, on the CPU.
///
/// `channels` planes lie interleaved, [pixels, channels] in memory: 1 is a plane by itself
/// (row-major images), 3 an RGB image of a channels-last batch.
#pragma once

#include <cstdint>

namespace harmofl {

/// Writes the sum of every plane to `sums` [channels], added up in float64 in an order that depends
/// on the sizes alone. Of 8-bit intensities divided by 255, all sums up to 2^22 pixels are exact,
/// so that the order does not show and both memory formats have the same.
void sum_planes(const float* images, std::int64_t pixels, std::int64_t channels, double* sums);

/// out = images + shifts[channel], added in float64 and rounded once.
void shift_planes(const float* images, const double* shifts, std::int64_t pixels,
                  std::int64_t channels, float* out);

}  // namespace harmofl
