// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.hpp"
#include "io/formats/csv.hpp"

#include <algorithm>

namespace harmofl::fuzz {
namespace {

std::string written(const CsvTable& table) {
  std::string text;
  const auto add = [&](const std::string& field, bool last) {
    text += csv_field(field) + (last ? "\n" : ",");
  };
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    add(table.columns[i], i + 1 == table.columns.size());
  }
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      add(row.at(table.columns[i]), i + 1 == table.columns.size());
    }
  }
  return text;
}

}  // namespace

void csv(std::string_view input) {
  const CsvTable table = parse_csv(input, "fuzz.csv");
  require(table.lines.size() == table.rows.size(), "every row has a line");
  require(std::ranges::is_sorted(table.lines), "lines ascend");
  if (table.columns.size() < 2) return;  // a lone empty field is an empty line
  const CsvTable again = parse_csv(written(table), "again.csv");
  require(again.columns == table.columns && again.rows == table.rows, "a table survives writing");
}

}  // namespace harmofl::fuzz
