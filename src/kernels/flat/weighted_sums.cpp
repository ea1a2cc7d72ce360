// SPDX-License-Identifier: Apache-2.0
#include "kernels/flat/weighted_sums.hpp"

#include "base/simd.hpp"
#include "harmofl/base/error.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t grain = 256 * 1024;  ///< Values a thread, where there are several.
constexpr std::int64_t block = 512;         ///< Values at a time, which stay in the first cache.
constexpr double smallest_large = 2251799813685248.0;  ///< 2^51: below, rounding is an addition.

HARMOFL_SIMD_CLONES bool finite(const float* values, std::int64_t count) {
  constexpr std::uint32_t exponent = 0x7F800000U;  // all ones: infinite or NaN
  std::uint32_t found = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(values[i]) & exponent;
    found |= bits == exponent ? 1U : 0U;
  }
  return found == 0;
}

// Not for newer processors: those would fuse product and sum, with one rounding in the place of
// two.
void add_products(const float* values, std::int64_t count, float weight, float* sum) {
  for (std::int64_t i = 0; i < count; ++i) {
    const float product = values[i] * weight;
    sum[i] += product;
  }
}

// To 0, so that the sum of one -0 is 0 as well.
void set_products(const float* values, std::int64_t count, float weight, float* sum) {
  for (std::int64_t i = 0; i < count; ++i) sum[i] = 0.0F + values[i] * weight;
}

using Products = void(const float*, std::int64_t, float, float*);

void put_products(Products* put, std::span<const float> values, float weight,
                  std::span<float> sum) {
  HARMOFL_EXPECT(values.size() == sum.size());
  at::parallel_for(0, std::ssize(values), grain, [&](std::int64_t begin, std::int64_t end) {
    put(values.data() + begin, end - begin, weight, sum.data() + begin);
  });
}

enum class Sizes { small, large, refused };

/// Writes the fixed-point values of a block, not rounded yet, and tells of what size they are.
HARMOFL_SIMD_CLONES Sizes scale_block(const float* values, std::int64_t count, double units,
                                      double weight, double* scaled) {
  std::uint64_t refused = 0;
  std::uint64_t large = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double in_units = static_cast<double>(values[i]) * units;
    refused |= std::fabs(in_units) < max_sum ? 0U : 1U;  // NaN is not less
    large |= std::fabs(in_units) < smallest_large ? 0U : 1U;
    scaled[i] = in_units * weight;
  }
  if (refused != 0) return Sizes::refused;
  return large != 0 ? Sizes::large : Sizes::small;
}

/// sum += sign * round(scaled), all of it small: what is added to 1.5 * 2^52 is rounded to
/// integers, ties to even, and stands in its last bits.
HARMOFL_SIMD_CLONES void add_small(const double* scaled, std::int64_t count, std::int64_t sign,
                                   std::int64_t* sum) {
  constexpr double round_by = 6755399441055744.0;
  constexpr std::int64_t zero = std::bit_cast<std::int64_t>(round_by);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t rounded = std::bit_cast<std::int64_t>(scaled[i] + round_by) - zero;
    sum[i] += sign < 0 ? -rounded : rounded;
  }
}

void add_large(const double* scaled, std::int64_t count, std::int64_t sign, std::int64_t* sum) {
  for (std::int64_t i = 0; i < count; ++i) {
    sum[i] += sign * static_cast<std::int64_t>(std::nearbyint(scaled[i]));
  }
}

/// Values of one stretch, and how many of them stand in the sum.
struct Piece {
  std::int64_t first, count;
  double units;
  std::int64_t added = 0;
};

/// Adds (sign 1) or takes away (-1) the values of a piece, up to one that is refused.
void add_piece(Piece& piece, const float* values, double weight, std::int64_t sign,
               std::int64_t* sum) {
  double scaled[block];
  const std::int64_t count = sign > 0 ? piece.count : piece.added;
  piece.added = 0;
  for (std::int64_t at = 0; at < count; at += block) {
    const std::int64_t first = piece.first + at;
    const std::int64_t part = std::min(block, count - at);
    const Sizes sizes = scale_block(values + first, part, piece.units, weight, scaled);
    if (sizes == Sizes::refused) return;
    const auto add = sizes == Sizes::small ? add_small : add_large;
    add(scaled, part, sign, sum + first);
    piece.added = at + part;
  }
}

std::vector<Piece> pieces_of(const FixedPoint& fixed) {
  std::vector<Piece> pieces;
  std::int64_t begin = 0;
  for (const FixedPoint::Stretch& stretch : fixed.stretches) {
    const std::int64_t end = begin + stretch.count;
    for (; begin < end; begin += pieces.back().count) {
      pieces.push_back({begin, std::min(grain, end - begin), stretch.units});
    }
  }
  return pieces;
}

}  // namespace

bool all_finite(std::span<const float> values) {
  std::atomic<bool> all{true};
  at::parallel_for(0, std::ssize(values), grain, [&](std::int64_t begin, std::int64_t end) {
    if (!finite(values.data() + begin, end - begin)) all = false;
  });
  return all;
}

void add_weighted(std::span<const float> values, float weight, std::span<float> sum) {
  put_products(add_products, values, weight, sum);
}

void set_weighted(std::span<const float> values, float weight, std::span<float> sum) {
  put_products(set_products, values, weight, sum);
}

// Integers are taken away as exactly as they were added.
bool add_fixed(std::span<const float> values, const FixedPoint& fixed,
               std::span<std::int64_t> sum) {
  HARMOFL_EXPECT(values.size() == sum.size());
  std::vector<Piece> pieces = pieces_of(fixed);
  at::parallel_for(0, std::ssize(pieces), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      add_piece(pieces[static_cast<std::size_t>(i)], values.data(), fixed.weight, 1, sum.data());
    }
  });
  if (std::ranges::all_of(pieces, [](const Piece& p) { return p.added == p.count; })) return true;
  for (Piece& piece : pieces) add_piece(piece, values.data(), fixed.weight, -1, sum.data());
  return false;
}

}  // namespace harmofl
