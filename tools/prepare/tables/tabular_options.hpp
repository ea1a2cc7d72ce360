// SPDX-License-Identifier: Apache-2.0
/// The command line of `harmofl-prepare tabular`.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Whose training rows give the mean and the standard deviation of each column.
enum class Standardise {
  site,  ///< Of the site that the row is of.
  all,   ///< Of all sites together.
  none,  ///< Nobody's: values stay as they are.
};

/// What `harmofl-prepare tabular` was asked to do. Columns are meant by their names.
struct TabularOptions {
  std::filesystem::path input{};   ///< CSV file.
  std::filesystem::path output{};  ///< Folder for the shards; made when missing.
  std::string site_column = "site";
  std::string split_column = "split";
  std::string label_column = "label";
  std::string id_column{};       ///< Empty: rows are named after their line.
  std::string patient_column{};  ///< Empty: no patients.
  std::vector<std::string> numeric{};
  std::vector<std::string> categorical{};
  bool drop_first = false;  ///< No column for the first level of a category.
  Standardise standardise = Standardise::site;
  bool overwrite = false;  ///< Replace shards that are there.
};

/// What to do: say `answer` (help) when there is one, else work by `options`.
struct TabularCommand {
  std::string answer;
  TabularOptions options;
};

/// Parses the arguments after `tabular`. Throws UsageError.
TabularCommand parse_tabular(const std::vector<std::string>& arguments);

/// The name of a value of --standardise.
std::string to_string(Standardise by);

}  // namespace harmofl::prepare
