// SPDX-License-Identifier: Apache-2.0
/// Results that people plot: a table, as JSON, as CSV and as text.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace harmofl {

/// Rows of cells, each a number, a text or null (there is no such value), one a column.
struct ResultTable {
  std::vector<std::string> columns;
  std::vector<std::vector<nlohmann::json>> rows;
};

/// `facts`, an object, with "rows": an object a row. Numbers that are not finite become null.
std::string json_text(nlohmann::ordered_json facts, const ResultTable& table);

/// A line of names, then a line a row, numbers as in the JSON; null and numbers that are not finite
/// are empty.
std::string csv_text(const ResultTable& table);

/// Aligned columns for people, numbers with five significant digits, "-" for null.
std::string plain_text(const ResultTable& table);

}  // namespace harmofl
