// SPDX-License-Identifier: Apache-2.0
#include "prepare/report.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <iomanip>

namespace harmofl::prepare {
namespace {

constexpr std::size_t max_sizes_shown = 3;
constexpr std::size_t max_classes_shown = 4;
constexpr std::size_t gap = 2;

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

void print_report(std::ostream& out, const std::vector<ReportRow>& rows,
                  const std::vector<std::string>& class_names, Task task) {
  std::vector<std::vector<std::string>> lines{header(class_names, task)};
  for (const ReportRow& row : rows) lines.push_back(row_cells(row, task));
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

}  // namespace harmofl::prepare
