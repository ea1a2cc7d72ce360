// SPDX-License-Identifier: Apache-2.0
/// Simulated scanners: what a site does to every scene before it is stored.
#pragma once

#include "harmofl/base/rng.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// Parameters of one scanner; those of a scanner that changes nothing are the defaults.
struct ScannerParameters {
  double gain = 1.0;
  double gamma = 1.0;
  std::array<double, 3> colour_cast{1.0, 1.0, 1.0};
  double blur_px = 0.0;    ///< Standard deviation of a Gaussian blur.
  double band_gain = 0.0;  ///< How much of the middle frequencies is added once more.
  double noise = 0.008;    ///< Standard deviation, of the full scale.

  /// The parameters as a JSON object.
  std::string to_json() const;
};

/// The scanner of site `site`: spread evenly over the space of parameters, so that no two of a few
/// sites are alike, and moved away from the neutral one by `shift` s: log gain within .3 s of 0,
/// log gamma within .55 s, the log of each colour within .25 s, blur up to .9 s pixels, band_gain
/// between 2^-s - 1 and 2^s - 1, and up to .02 s more noise.
ScannerParameters scanner_of_site(std::uint64_t seed, std::int64_t site, double shift);

/// Scans `reflectance` ([3, height, width], 0 to 1) into bytes of the same shape. The optics change
/// the amplitudes of the spectrum only; gain, cast, gamma and noise come after.
std::vector<std::byte> scan(const ScannerParameters& scanner, std::vector<float> reflectance,
                            std::int64_t height, std::int64_t width, RngStream& noise);

}  // namespace harmofl
