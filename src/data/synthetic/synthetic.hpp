// SPDX-License-Identifier: Apache-2.0
/// Synthetic sites: one world of cell-like images seen through different scanners.
///
/// Every site draws its scenes from the same distribution and then differs, as hospitals do, by
/// gain, contrast (gamma), colour cast, blur and a frequency-dependent transfer function. Four
/// consecutive samples of a split are one patient, in name only: their images have nothing in
/// common.
#pragma once

#include "harmofl/io/shard.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl {

struct SyntheticOptions {
  Task task = Task::segmentation;
  std::int64_t sites = 4;
  std::int64_t train = 48;  ///< Samples a site; likewise below.
  std::int64_t val = 12;
  std::int64_t test = 12;
  std::int64_t height = 64;
  std::int64_t width = 64;
  double shift = 1.0;  ///< Strength of the differences between sites; 0 makes them alike.
  std::uint64_t seed = 0;
  bool unequal = false;  ///< Site k holds 1/(k+1) of the training samples, at least 4.
  /// Samples of each site, by Split, in the place of the numbers above; none where these hold.
  std::array<std::vector<std::int64_t>, 3> by_site = {};
};

/// Makes the shard of site `site` in memory. Deterministic in (options, site), whatever else is
/// made. Segmentation: background and nucleus. Classification: two classes that differ by the
/// shape of the nuclei, not by their brightness.
struct SyntheticShard {
  ShardInfo info;
  std::array<SplitData, 3> splits;  ///< Indexed by Split.
};
SyntheticShard synthesize_site(const SyntheticOptions& options, std::int64_t site);

/// Writes `site_<k>.h5` for every site into `folder` (made when missing) and returns the paths. A
/// few MiB of images are in memory at a time; libtorch's threads make them, and the same bytes
/// whatever their number.
std::vector<std::filesystem::path> synthesize(const SyntheticOptions& options,
                                              const std::filesystem::path& folder);

}  // namespace harmofl
