// SPDX-License-Identifier: Apache-2.0
/// The table that harmofl-prepare ends with.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/options.hpp"

#include <array>
#include <cstdint>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// One line of the table.
struct ReportRow {
  std::string site;
  std::int64_t sources = 0;                   ///< Source images.
  std::array<std::int64_t, 3> counts{};       ///< Stored images by split.
  std::map<Size, std::int64_t> source_sizes;  ///< Number of source images by size.
  std::vector<double> shares;                 ///< Share of each class, of pixels or of images.
  double duration_s = 0.0;
};

/// Counts the share of each class in a site, of pixels (segmentation) or of images.
std::vector<double> class_shares(const std::array<SplitData, 3>& splits, std::size_t classes);

/// Writes the table with aligned columns.
void print_report(std::ostream& out, const std::vector<ReportRow>& rows,
                  const std::vector<std::string>& class_names, Task task);

}  // namespace harmofl::prepare
