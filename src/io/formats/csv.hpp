// SPDX-License-Identifier: Apache-2.0
/// Comma-separated values (RFC 4180) with a header.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// A table with named columns.
struct CsvTable {
  std::vector<std::string> columns;
  std::vector<std::map<std::string, std::string>> rows;
  std::vector<int> lines;  ///< Line of the file on which each row begins, from 1.

  bool has(std::string_view column) const;
};

/// Takes a row: the names of the columns, as many fields, and the line on which the row begins.
using CsvRowTaker = std::function<void(const std::vector<std::string>& columns,
                                       const std::vector<std::string>& fields, int line)>;

/// Hands the rows of `text` to `take`, one after the other: for tables of more rows than memory has
/// room for as texts. Rules and errors are those of `parse_csv`.
void take_csv_rows(std::string_view text, const std::string& name, const CsvRowTaker& take);

/// Parses `text`; `name` is the file's name in errors. Fields may be quoted and then hold commas,
/// line ends and doubled quotes. Throws UserError, with the line, for rows of another length and
/// for a column that stands there twice.
CsvTable parse_csv(std::string_view text, const std::string& name);

/// Reads a CSV file.
CsvTable read_csv(const std::filesystem::path& path);

/// `text` as a field, quoted where it has to be.
std::string csv_field(const std::string& text);

}  // namespace harmofl
