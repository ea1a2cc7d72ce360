// SPDX-License-Identifier: Apache-2.0
/// Comma-separated values (RFC 4180) with a header.
#pragma once

#include <filesystem>
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

/// Parses `text`; `name` is the file's name in errors. Fields may be quoted and then hold commas,
/// line ends and doubled quotes. Throws UserError, with the line, for rows of another length and
/// for a column that stands there twice.
CsvTable parse_csv(std::string_view text, const std::string& name);

/// Reads a CSV file.
CsvTable read_csv(const std::filesystem::path& path);

/// `text` as a field, quoted where it has to be.
std::string csv_field(const std::string& text);

}  // namespace harmofl
