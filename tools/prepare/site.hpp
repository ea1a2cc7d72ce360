// SPDX-License-Identifier: Apache-2.0
/// One site on its way from PNG files to a shard.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/options.hpp"
#include "prepare/scan.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// A site's samples and where each goes.
struct SitePlan {
  std::string name;
  std::vector<Sample> samples;  ///< Sorted by id.
  std::vector<Split> splits;    ///< One a sample.
};

/// A site as it goes into its shard.
struct SiteContent {
  std::array<SplitData, 3> splits;  ///< Samples, indexed by Split.
  std::int64_t channels = 0;
  Size size;                                    ///< Size of every stored image.
  std::map<Size, std::int64_t> source_sizes{};  ///< Number of source images by size.
};

/// Checksum over the site's source files and what the list says of them, in the order of ids.
std::string source_checksum(const SitePlan& plan);

/// Reads, checks and resamples or cuts all images of a site. Throws UserError that names the file
/// that cannot be used, and Interrupted when a signal asked to stop.
SiteContent load_site(const SitePlan& plan, const std::vector<std::string>& class_names,
                      const Options& options);

/// Thrown when a signal asked to stop.
struct Interrupted {};

}  // namespace harmofl::prepare
