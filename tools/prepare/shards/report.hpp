// SPDX-License-Identifier: Apache-2.0
/// The table that harmofl-prepare ends with.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/images/options.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
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
  /// Pixels or images of each class, by split.
  std::array<std::vector<std::int64_t>, 3> class_counts{};
  std::array<std::int64_t, 3> patients{};  ///< Number of patients by split.
};

/// Counts the share of each class in a site, of pixels (segmentation) or of images.
std::vector<double> class_shares(const std::array<SplitData, 3>& splits, std::size_t classes);

/// Adds the samples of `data` to a row: their number, and the pixels or images of each class.
void add_counts(ReportRow& row, Split split, const SplitData& data, std::size_t classes);

/// The row of a shard that is kept, made of `sources` images. Its pixels are read, some at a time,
/// which verifies them. Throws UserError when they are damaged.
ReportRow report_kept(const std::filesystem::path& shard, std::int64_t sources);

/// Sets the shares of a row by its counts.
void set_shares(ReportRow& row);

/// Writes the table with aligned columns, and where sites name patients a second one of what each
/// split got.
void print_report(std::ostream& out, const std::vector<ReportRow>& rows,
                  const std::vector<std::string>& class_names, Task task);

}  // namespace harmofl::prepare
