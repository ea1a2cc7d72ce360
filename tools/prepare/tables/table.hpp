// SPDX-License-Identifier: Apache-2.0
/// A table on its way from CSV to numbers.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/tables/tabular_options.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// A column of categories and its levels, sorted: by value where all are numbers, else as text.
struct Category {
  std::string column;
  std::vector<std::string> levels;
};

/// One row, its categories as a number a level.
struct TableRow {
  std::string id;
  std::string patient;
  Split split = Split::train;
  std::int64_t label = 0;
  std::vector<double> values;  ///< One a feature.
  int line = 0;                ///< Of the file, from 1.
};

struct Table {
  std::vector<std::string> features;  ///< Numeric columns, then "column=level" of categories.
  std::vector<Category> categories;
  std::vector<std::string> class_names;                ///< Labels of all sites, sorted as levels.
  std::map<std::string, std::vector<TableRow>> sites;  ///< By site, in the order of the file.
};

/// Reads the table. The levels of a category are those of the training rows of all sites. Throws
/// UserError, with file, line and column, for an empty or unknown value, a number that is none or
/// not finite in float32, an unknown split, and an id that comes twice.
Table read_table(const TabularOptions& options);

/// Mean and standard deviation (n - 1) of each feature.
struct Scale {
  std::vector<double> mean, std;
};

/// Those of the training rows among `rows`, in float64. Throws UserError, naming `whose` they are,
/// for fewer than two.
Scale scale_of(const std::vector<const TableRow*>& rows, std::size_t features,
               const std::string& whose);

/// Added to the standard deviation before dividing by it.
inline constexpr double scale_epsilon = 1e-9;

/// (x - mean) / (std + scale_epsilon), feature by feature. Throws UserError, naming file, line and
/// column, for a value that differs from a feature which is the same in all training rows: it would
/// become enormous.
void standardise(TableRow& row, const Scale& scale, const std::vector<std::string>& features,
                 const std::string& file);

}  // namespace harmofl::prepare
