// SPDX-License-Identifier: Apache-2.0
/// `harmofl inspect --sheet`: what the images of each site look like, side by side, so that the
/// shift between sites is seen before anything is trained.
#pragma once

#include "app/sheet/canvas.hpp"

#include <torch/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// A site as the sheet shows it, by images spread evenly over its training split.
struct SiteLook {
  std::string site;
  std::int64_t count = 0;  ///< Training images that there are.
  double scale = 1.0;      ///< Intensity scale of the site.
  bool bytes = true;       ///< Stored values are bytes.
  torch::Tensor images;    ///< float32 [N, C, H, W], as stored.
  torch::Tensor masks;     ///< uint8 [N, H, W]; undefined where there are none.
  torch::Tensor mean;      ///< float64 [C], of the stored values.
  torch::Tensor spectrum;  ///< float64 [H, W]: ln(1 + A), A the amplitude of the image as the
                           ///< network sees it, mean over images and channels; frequency 0 in the
                           ///< middle.
};

/// Looks at a shard. `most` images at most are read; all are verified by Fletcher-32.
SiteLook look_at(const std::filesystem::path& shard, std::int64_t most = 256);

/// A row a site: images with the outlines of their masks, the mean colour, a histogram of each
/// channel, the spectrum. Brightness and spectra have one scale for all sites.
Canvas draw_sheet(const std::vector<SiteLook>& sites);

/// What the rows are, with the numbers behind them, for people.
std::string sheet_legend(const std::vector<SiteLook>& sites);

}  // namespace harmofl
