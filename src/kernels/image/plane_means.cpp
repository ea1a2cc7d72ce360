// SPDX-License-Identifier: Apache-2.0
// A block is `lanes` consecutive values, a whole number of pixels and of vectors, so that lane j
// always meets channel j % channels: planes and interleaved channels are one loop.
#include "kernels/image/plane_means.hpp"

#include "base/simd.hpp"

#include <algorithm>
#include <cstring>

namespace harmofl {
namespace {

constexpr int width = 8;  ///< Values in a vector.
using Floats = float __attribute__((vector_size(width * sizeof(float))));
using Doubles = double __attribute__((vector_size(width * sizeof(double))));

template <int Vectors>
HARMOFL_SIMD_INLINE void sum_lanes(const float* x, std::int64_t count, double* lanes) {
  constexpr int block = Vectors * width;
  Doubles sums[Vectors] = {};
  std::int64_t i = 0;
  for (; i + block <= count; i += block) {
    for (int v = 0; v < Vectors; ++v) {
      Floats values;
      std::memcpy(&values, x + i + v * width, sizeof(values));
      sums[v] += __builtin_convertvector(values, Doubles);
    }
  }
  std::memcpy(lanes, sums, sizeof(sums));
  for (std::int64_t j = 0; i < count; ++i, ++j) lanes[j] += static_cast<double>(x[i]);
}

template <int Vectors>
HARMOFL_SIMD_INLINE void shift_lanes(const float* x, std::int64_t count, const double* lanes,
                                     float* y) {
  constexpr int block = Vectors * width;
  Doubles shifts[Vectors];
  std::memcpy(shifts, lanes, sizeof(shifts));
  std::int64_t i = 0;
  for (; i + block <= count; i += block) {
    for (int v = 0; v < Vectors; ++v) {
      Floats values;
      std::memcpy(&values, x + i + v * width, sizeof(values));
      values =
          __builtin_convertvector(__builtin_convertvector(values, Doubles) + shifts[v], Floats);
      std::memcpy(y + i + v * width, &values, sizeof(values));
    }
  }
  for (std::int64_t j = 0; i < count; ++i, ++j) {
    y[i] = static_cast<float>(static_cast<double>(x[i]) + lanes[j]);
  }
}

constexpr int plane_vectors = 4;   // as many as hide the latency of an addition
constexpr int colour_vectors = 6;  // 48 lanes: 16 pixels of 3 channels

HARMOFL_SIMD_CLONES
void sum_plane(const float* x, std::int64_t count, double* lanes) {
  sum_lanes<plane_vectors>(x, count, lanes);
}

HARMOFL_SIMD_CLONES
void sum_colours(const float* x, std::int64_t count, double* lanes) {
  sum_lanes<colour_vectors>(x, count, lanes);
}

HARMOFL_SIMD_CLONES
void shift_plane(const float* x, std::int64_t count, const double* lanes, float* y) {
  shift_lanes<plane_vectors>(x, count, lanes, y);
}

HARMOFL_SIMD_CLONES
void shift_colours(const float* x, std::int64_t count, const double* lanes, float* y) {
  shift_lanes<colour_vectors>(x, count, lanes, y);
}

/// Any number of channels, one pixel after the other.
HARMOFL_SIMD_CLONES
void sum_pixels(const float* x, std::int64_t pixels, std::int64_t channels, double* sums) {
  std::fill_n(sums, channels, 0.0);
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      sums[c] += static_cast<double>(x[i * channels + c]);
    }
  }
}

HARMOFL_SIMD_CLONES
void shift_pixels(const float* x, const double* shifts, std::int64_t pixels, std::int64_t channels,
                  float* y) {
  for (std::int64_t i = 0; i < pixels; ++i) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t k = i * channels + c;
      y[k] = static_cast<float>(static_cast<double>(x[k]) + shifts[c]);
    }
  }
}

constexpr int max_lanes = colour_vectors * width;

int lanes_of(std::int64_t channels) {
  return (channels == 1 ? plane_vectors : colour_vectors) * width;
}

}  // namespace

void sum_planes(const float* images, std::int64_t pixels, std::int64_t channels, double* sums) {
  if (channels != 1 && channels != 3) {
    sum_pixels(images, pixels, channels, sums);
    return;
  }
  alignas(64) double lanes[max_lanes];
  (channels == 1 ? sum_plane : sum_colours)(images, pixels * channels, lanes);
  std::fill_n(sums, channels, 0.0);
  for (int j = 0; j < lanes_of(channels); ++j) sums[j % channels] += lanes[j];
}

void shift_planes(const float* images, const double* shifts, std::int64_t pixels,
                  std::int64_t channels, float* out) {
  if (channels != 1 && channels != 3) {
    shift_pixels(images, shifts, pixels, channels, out);
    return;
  }
  alignas(64) double lanes[max_lanes];
  for (int j = 0; j < lanes_of(channels); ++j) lanes[j] = shifts[j % channels];
  (channels == 1 ? shift_plane : shift_colours)(images, pixels * channels, lanes, out);
}

}  // namespace harmofl
