// SPDX-License-Identifier: Apache-2.0
/// Sums of weighted states in host memory, each in one pass and to the bits of libtorch's
/// operations.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace harmofl {

/// Fixed-point values from here on are refused: so many of them would not fit a sum.
inline constexpr double max_sum = 4611686018427387904.0;  // 2^62

bool all_finite(std::span<const float> values);

/// sum += values * weight, rounded to float32 after the product and after the sum.
void add_weighted(std::span<const float> values, float weight, std::span<float> sum);

/// The same for a sum that is 0, whatever stands there: it is written and not read.
void set_weighted(std::span<const float> values, float weight, std::span<float> sum);

/// How values become fixed point: stretch after stretch, each with units of its own.
struct FixedPoint {
  struct Stretch {
    std::int64_t count;
    double units;  ///< Of 1: a power of two.
  };
  std::array<Stretch, 3> stretches;
  double weight;
};

/// sum += round(values * units * weight), ties to even. Returns false, with the sum as it was, when
/// a value is not finite or is `max_sum` units or more.
bool add_fixed(std::span<const float> values, const FixedPoint& fixed, std::span<std::int64_t> sum);

}  // namespace harmofl
