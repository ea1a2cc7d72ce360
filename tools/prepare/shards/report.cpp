// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/report.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <set>
#include <span>
#include <utility>

namespace harmofl::prepare {
namespace {

constexpr std::size_t max_sizes_shown = 3;
constexpr std::size_t max_classes_shown = 4;
constexpr std::size_t gap = 2;
constexpr std::int64_t kept_part_bytes = std::int64_t{8}
                                         << 20;  ///< Of a kept shard, read at a time.

std::string sizes_text(const std::map<Size, std::int64_t>& sizes) {
  if (sizes.empty()) return "-";  // a kept shard does not say
  if (sizes.size() > max_sizes_shown) {
    return concat(to_string(sizes.begin()->first), " to ", to_string(sizes.rbegin()->first));
  }
  std::vector<std::string> texts;
  for (const auto& [size, count] : sizes) texts.push_back(to_string(size));
  return join(texts, " ");
}

std::vector<std::string> header(const std::vector<std::string>& class_names, Task task) {
  std::vector<std::string> cells{"site", "images", "train", "val", "test", "source size"};
  if (task == Task::segmentation) {
    cells.push_back("foreground");
  } else {
    const std::size_t shown = std::min(class_names.size(), max_classes_shown);
    cells.insert(cells.end(), class_names.begin(),
                 class_names.begin() + static_cast<std::ptrdiff_t>(shown));
  }
  cells.push_back("time");
  return cells;
}

std::vector<std::string> row_cells(const ReportRow& row, Task task) {
  std::vector<std::string> cells{row.site, std::to_string(row.sources)};
  for (const std::int64_t count : row.counts) cells.push_back(std::to_string(count));
  cells.push_back(sizes_text(row.source_sizes));
  const auto percent = [](double share) { return fixed(100.0 * share, 1) + " %"; };
  if (task == Task::segmentation) {
    cells.push_back(percent(1.0 - row.shares.at(0)));
  } else {
    const std::size_t shown = std::min(row.shares.size(), max_classes_shown);
    for (std::size_t i = 0; i < shown; ++i) cells.push_back(percent(row.shares[i]));
  }
  cells.push_back(row.duration_s < 0.0 ? "kept" : human_seconds(row.duration_s));
  return cells;
}

void print_lines(std::ostream& out, const std::vector<std::vector<std::string>>& lines) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  for (const auto& line : lines) {
    out << std::left << std::setw(static_cast<int>(widths[0])) << line[0] << std::right;
    for (std::size_t i = 1; i < line.size(); ++i) {
      out << std::setw(static_cast<int>(widths[i] + gap)) << line[i];
    }
    out << '\n';
  }
}

std::string percent_text(double part, double whole) {
  return whole > 0.0 ? fixed(100.0 * part / whole, 1) + " %" : "-";
}

std::vector<std::string> split_header(const std::vector<std::string>& class_names, Task task) {
  std::vector<std::string> cells{"site", "split", "patients", "images", "of all"};
  if (task == Task::segmentation) {
    cells.push_back("foreground");
    return cells;
  }
  for (std::size_t k = 0; k < std::min(class_names.size(), max_classes_shown); ++k) {
    cells.push_back(class_names[k]);
  }
  return cells;
}

/// A line a split: its part of the images, and its part of each class of the site (of the
/// foreground, for masks).
void add_split_lines(std::vector<std::vector<std::string>>& lines, const ReportRow& row,
                     Task task) {
  const auto sum = [](const auto& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  };
  const auto of_class = [&](std::size_t split, std::size_t k) {
    const auto& counts = row.class_counts[split];
    if (counts.empty()) return 0.0;
    if (task == Task::segmentation) return sum(counts) - static_cast<double>(counts[0]);
    return static_cast<double>(counts[k]);
  };
  const std::size_t classes =
      task == Task::segmentation ? 1 : std::min(row.shares.size(), max_classes_shown);
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    std::vector<std::string> cells{row.site, std::string(to_string(split)),
                                   std::to_string(row.patients[index]),
                                   std::to_string(row.counts[index])};
    cells.push_back(percent_text(static_cast<double>(row.counts[index]), sum(row.counts)));
    for (std::size_t k = 0; k < classes; ++k) {
      cells.push_back(
          percent_text(of_class(index, k), of_class(0, k) + of_class(1, k) + of_class(2, k)));
    }
    lines.push_back(std::move(cells));
  }
}

/// Adds a split of a shard to `row`, some images at a time; returns the checksum of what was read.
std::string count_split(const ShardReader& reader, Split split, ReportRow& row) {
  const ShardInfo& info = reader.info();
  const std::int64_t image_bytes =
      info.values_per_image() * static_cast<std::int64_t>(size_bytes(info.pixel_type));
  const std::int64_t most = std::max<std::int64_t>(1, kept_part_bytes / image_bytes);
  Checksum images, targets;
  for (std::int64_t first = 0; first < reader.count(split); first += most) {
    std::vector<std::int64_t> rows(
        static_cast<std::size_t>(std::min(most, reader.count(split) - first)));
    std::iota(rows.begin(), rows.end(), first);
    const SplitData part = reader.read_rows(split, rows);
    images.add(part.images);
    targets.add(std::as_bytes(std::span(part.masks)));
    targets.add(std::as_bytes(std::span(part.labels)));
    add_counts(row, split, part, info.class_names.size());
  }
  std::set<std::string> patients(reader.groups(split).begin(), reader.groups(split).end());
  patients.erase("");
  row.patients[static_cast<std::size_t>(split)] = std::ssize(patients);
  const std::string both = images.digest() + targets.digest();
  return checksum(std::as_bytes(std::span(both)));
}

}  // namespace

std::vector<double> class_shares(const std::array<SplitData, 3>& splits, std::size_t classes) {
  std::vector<double> counts(classes, 0.0);
  double total = 0.0;
  const auto count = [&](const auto& targets) {
    for (const auto target : targets) counts.at(static_cast<std::size_t>(target)) += 1.0;
    total += static_cast<double>(targets.size());
  };
  for (const SplitData& split : splits) {
    count(split.masks);
    count(split.labels);
  }
  for (double& value : counts) value = total > 0.0 ? value / total : 0.0;
  return counts;
}

void add_counts(ReportRow& row, Split split, const SplitData& data, std::size_t classes) {
  const auto index = static_cast<std::size_t>(split);
  row.counts[index] += data.count();
  std::vector<std::int64_t>& counts = row.class_counts[index];
  counts.resize(classes, 0);
  for (const std::uint8_t value : data.masks) ++counts.at(value);
  for (const std::int64_t label : data.labels) ++counts.at(static_cast<std::size_t>(label));
}

ReportRow report_kept(const std::filesystem::path& shard, std::int64_t sources) {
  const ShardReader reader(shard);
  const ShardInfo& info = reader.info();
  ReportRow row;
  row.site = info.site;
  row.sources = sources;
  row.duration_s = -1.0;
  for (const Split split : all_splits) {
    const std::string sum = count_split(reader, split, row);
    HARMOFL_VALIDATE(sum == reader.stored_checksum(split), shard.string(), ": /", to_string(split),
                     ": the content does not have the checksum stored with it: it is damaged. ",
                     "Remove the shard, and it is made again.");
  }
  set_shares(row);
  return row;
}

void set_shares(ReportRow& row) {
  double total = 0.0;
  row.shares.clear();
  for (const auto& counts : row.class_counts) {
    row.shares.resize(std::max(row.shares.size(), counts.size()), 0.0);
    for (std::size_t k = 0; k < counts.size(); ++k) {
      row.shares[k] += static_cast<double>(counts[k]);
      total += static_cast<double>(counts[k]);
    }
  }
  for (double& share : row.shares) share = total > 0.0 ? share / total : 0.0;
}

void print_report(std::ostream& out, const std::vector<ReportRow>& rows,
                  const std::vector<std::string>& class_names, Task task) {
  std::vector<std::vector<std::string>> lines{header(class_names, task)};
  for (const ReportRow& row : rows) lines.push_back(row_cells(row, task));
  print_lines(out, lines);
  const auto named = [](const ReportRow& row) {
    return std::ranges::any_of(row.patients, [](std::int64_t count) { return count > 0; });
  };
  if (std::ranges::none_of(rows, named)) return;
  lines = {split_header(class_names, task)};
  for (const ReportRow& row : rows) add_split_lines(lines, row, task);
  out << '\n';
  print_lines(out, lines);
}

}  // namespace harmofl::prepare
