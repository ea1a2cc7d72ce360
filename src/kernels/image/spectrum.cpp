// SPDX-License-Identifier: Apache-2.0
// |F| is sqrt(re^2 + im^2) where the squares neither overflow nor lose bits, which is looked at for
// a piece at once, and hypot elsewhere: the square root is several times as fast.
#include "kernels/image/spectrum.hpp"

#include "base/simd.hpp"

#include <algorithm>
#include <cmath>

namespace harmofl {
namespace {

constexpr std::int64_t piece = 64;  ///< Frequencies that are looked at together.
constexpr double min_square = 1e-280;
constexpr double max_square = 1e280;

/// Writes re^2 + im^2; returns whether all are in the range where a square root is exact enough.
HARMOFL_SIMD_INLINE bool squares_of(const double* f, std::int64_t count, double* squares) {
  std::int64_t outside = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    squares[i] = f[2 * i] * f[2 * i] + f[2 * i + 1] * f[2 * i + 1];
    outside |= static_cast<std::int64_t>(!(squares[i] > min_square)) |
               static_cast<std::int64_t>(!(squares[i] < max_square));
  }
  return outside == 0;
}

void add_by_hypot(const double* f, std::int64_t count, double* sums) {
  for (std::int64_t i = 0; i < count; ++i) sums[i] += std::hypot(f[2 * i], f[2 * i + 1]);
}

void replace_by_hypot(const double* wanted, std::int64_t count, double* f) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double amplitude = std::hypot(f[2 * i], f[2 * i + 1]);
    const bool some = amplitude > 0.0;  // not of a NaN either
    const double factor = wanted[i] / amplitude;
    f[2 * i] = some ? f[2 * i] * factor : wanted[i];
    f[2 * i + 1] = some ? f[2 * i + 1] * factor : 0.0;
  }
}

HARMOFL_SIMD_INLINE void interleave(const double* __restrict planes, std::int64_t pixels,
                                    std::int64_t channels, float* __restrict images) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      images[i * channels + c] = static_cast<float>(planes[c * pixels + i]);
    }
  }
}

HARMOFL_SIMD_INLINE void separate(const float* __restrict images, std::int64_t pixels,
                                  std::int64_t channels, double* __restrict planes) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      planes[c * pixels + i] = static_cast<double>(images[i * channels + c]);
    }
  }
}

}  // namespace

// Written out for one and for three channels, which the compiler then makes vectors of.
HARMOFL_SIMD_CLONES
void images_to_planes(const float* images, std::int64_t pixels, std::int64_t channels,
                      double* planes) {
  if (channels == 1) return separate(images, pixels, 1, planes);
  if (channels == 3) return separate(images, pixels, 3, planes);
  separate(images, pixels, channels, planes);
}

HARMOFL_SIMD_CLONES
void planes_to_images(const double* planes, std::int64_t pixels, std::int64_t channels,
                      float* images) {
  if (channels == 1) return interleave(planes, pixels, 1, images);
  if (channels == 3) return interleave(planes, pixels, 3, images);
  interleave(planes, pixels, channels, images);
}

HARMOFL_SIMD_CLONES
void add_amplitudes(const double* spectrum, std::int64_t count, double* sums) {
  double squares[piece];
  for (std::int64_t first = 0; first < count; first += piece) {
    const std::int64_t some = std::min(piece, count - first);
    if (!squares_of(spectrum + 2 * first, some, squares)) {
      add_by_hypot(spectrum + 2 * first, some, sums + first);
      continue;
    }
    for (std::int64_t i = 0; i < some; ++i) sums[first + i] += std::sqrt(squares[i]);
  }
}

HARMOFL_SIMD_CLONES
void replace_amplitudes(const double* wanted, std::int64_t count, double* spectrum) {
  double squares[piece];
  for (std::int64_t first = 0; first < count; first += piece) {
    const std::int64_t some = std::min(piece, count - first);
    double* const f = spectrum + 2 * first;
    if (!squares_of(f, some, squares)) {
      replace_by_hypot(wanted + first, some, f);
      continue;
    }
    for (std::int64_t i = 0; i < some; ++i) squares[i] = wanted[first + i] / std::sqrt(squares[i]);
    for (std::int64_t i = 0; i < some; ++i) {
      f[2 * i] *= squares[i];
      f[2 * i + 1] *= squares[i];
    }
  }
}

}  // namespace harmofl
