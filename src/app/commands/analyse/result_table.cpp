// SPDX-License-Identifier: Apache-2.0
#include "app/commands/analyse/result_table.hpp"

#include "io/formats/csv.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace harmofl {
namespace {

using nlohmann::json;

bool has_value(const json& cell) {
  return !cell.is_null() && (!cell.is_number_float() || std::isfinite(cell.get<double>()));
}

std::string csv_cell(const json& cell) {
  if (cell.is_string()) return csv_field(cell.get<std::string>());
  return has_value(cell) ? cell.dump() : "";
}

std::string plain_cell(const json& cell) {
  if (cell.is_string()) return cell.get<std::string>();
  if (cell.is_null()) return "-";
  if (!cell.is_number_float()) return cell.dump();
  std::ostringstream out;
  out << std::setprecision(5) << cell.get<double>();
  return out.str();
}

}  // namespace

std::string json_text(nlohmann::ordered_json facts, const ResultTable& table) {
  facts["rows"] = nlohmann::ordered_json::array();
  for (const auto& cells : table.rows) {
    nlohmann::ordered_json row;
    for (std::size_t i = 0; i < table.columns.size(); ++i) row[table.columns[i]] = cells[i];
    facts["rows"].push_back(row);
  }
  return facts.dump(2) + "\n";  // writes what is not finite as null
}

std::string csv_text(const ResultTable& table) {
  std::string text;
  const auto add_line = [&](const auto& cells, const auto& cell_text) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (i > 0) text += ',';
      text += cell_text(cells[i]);
    }
    text += "\n";
  };
  add_line(table.columns, csv_field);
  for (const auto& cells : table.rows) add_line(cells, csv_cell);
  return text;
}

std::string plain_text(const ResultTable& table) {
  std::vector<std::vector<std::string>> lines{table.columns};
  for (const auto& cells : table.rows) {
    std::vector<std::string>& line = lines.emplace_back();
    for (const json& cell : cells) line.push_back(plain_cell(cell));
  }
  std::ostringstream out;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      std::size_t width = 0;
      for (const auto& other : lines) width = std::max(width, other[i].size());
      out << (i > 0 ? "  " : "") << std::setw(static_cast<int>(width))
          << (i > 0 ? std::right : std::left) << line[i];
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace harmofl
