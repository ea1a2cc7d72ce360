// SPDX-License-Identifier: Apache-2.0
/// Amplitude spectra of sites' images by frequency: what amplitude normalisation changes.
#pragma once

#include "harmofl/data/client_data.hpp"
#include "model/amplitude/amplitude_normalization.hpp"

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

/// Adds up |FFT2| of images by radial frequency.
///
/// The coefficient of frequencies (u, v), in cycles an image and counted from the centre of the
/// shifted spectrum, belongs to bin floor(sqrt(u^2 + v^2)); bins reach from 0, which holds the zero
/// frequency (DC) alone, to floor(min(H, W) / 2). Frequencies beyond, in the corners and at the
/// ends of the longer side, are left out.
class RadialSpectrum {
 public:
  /// A spectrum of images of `height` x `width` pixels.
  RadialSpectrum(std::int64_t height, std::int64_t width);

  /// Adds images [B, C, height, width], real; transforms in float64.
  void add(const torch::Tensor& images);

  /// Mean amplitude of each bin over its frequencies, the channels and all images so far; NaN
  /// before any.
  std::vector<double> means() const;

  /// Number of frequencies in each bin.
  const std::vector<std::int64_t>& frequencies() const { return frequencies_; }

 private:
  torch::Tensor bins_;  ///< int64 [H, W], unshifted; the last bin plus 1 is what is left out.
  std::vector<std::int64_t> frequencies_;
  torch::Tensor sum_;  ///< float64 [H, W].
  std::int64_t planes_ = 0;
};

/// Mean amplitudes of one site by radius.
struct SiteSpectra {
  std::vector<double> before;  ///< Spectrum of the images as stored / intensity scale.
  std::vector<double> after;   ///< Normalised; the same numbers for band off.
};

/// Spectra of `samples`, in batches of `batch_size` (of no influence but on memory and rounding).
/// The running amplitude is frozen, observed or off. Throws UserError when there are no samples.
SiteSpectra site_spectra(const AmplitudeNormalization& amplitude, const Samples& samples,
                         std::int64_t batch_size);

/// How far sites' spectra lie apart.
struct SpectrumSpread {
  /// Coefficient of variation over sites of each bin: sample standard deviation / mean. NaN where
  /// the mean is 0, and with one site.
  std::vector<double> by_radius;
  double dc = 0.0;    ///< Coefficient of bin 0.
  double rest = 0.0;  ///< Mean of bins 1, 2, ...; NaN when there are none.
};

/// Compares spectra of one length, one a site.
SpectrumSpread spectrum_spread(const std::vector<std::vector<double>>& sites);

}  // namespace harmofl
