// SPDX-License-Identifier: Apache-2.0
/// Amplitudes of half spectra and what they need of images, on the CPU.
///
/// Spectra are complex numbers of float64, real and imaginary parts in turn. Images are interleaved
/// as in plane_means.hpp: [pixels, channels].
#pragma once

#include <cstdint>

namespace harmofl {

/// Makes `planes` [channels, pixels] of `images` [pixels, channels].
void images_to_planes(const float* images, std::int64_t pixels, std::int64_t channels,
                      double* planes);

/// The inverse, each value rounded to float32.
void planes_to_images(const double* planes, std::int64_t pixels, std::int64_t channels,
                      float* images);

/// sums[i] += |spectrum[i]|
void add_amplitudes(const double* spectrum, std::int64_t count, double* sums);

/// Gives spectrum[i] the amplitude wanted[i] and leaves its phase: F <- F R / |F|, or R where F is
/// 0.
void replace_amplitudes(const double* wanted, std::int64_t count, double* spectrum);

}  // namespace harmofl
