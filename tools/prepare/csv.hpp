/// Comma-separated values (RFC 4180) with a header.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::prepare {

/// A table with named columns.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::map<std::string, std::string>> rows;

  bool has(std::string_view column) const;
};

/// Parses `text`; `name` is the file's name in errors. Fields may be quoted and then hold commas,
/// line ends and doubled quotes. Throws UserError, with the line, for rows of another length.
Table parse_csv(std::string_view text, const std::string& name);

/// Reads a CSV file.
Table read_csv(const std::filesystem::path& path);

}  // namespace harmofl::prepare
