// SPDX-License-Identifier: Apache-2.0
#include "prepare/tables/table.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/csv.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace harmofl::prepare {
namespace {

/// The cells of one line, which know their place.
class Line {
 public:
  Line(const CsvTable& table, std::size_t row, const std::string& file)
      : cells_(table.rows[row]), line_(table.lines[row]), file_(file) {}

  int number() const { return line_; }

  std::string place(const std::string& column) const {
    return concat(file_, ":", line_, ": column '", column, "': ");
  }

  const std::string& text(const std::string& column) const {
    const std::string& cell = cells_.at(column);
    HARMOFL_VALIDATE(!cell.empty(), place(column), "is empty. Fill it in, or leave the row out.");
    return cell;
  }

  double number(const std::string& column) const {
    const std::optional<double> value = parse_number(text(column));
    HARMOFL_VALIDATE(value && std::abs(*value) <= std::numeric_limits<float>::max(), place(column),
                     "'", text(column), "' is not a finite number. Correct it, leave the row out, ",
                     "or give the column to --categorical.");
    return *value;
  }

  Split split(const std::string& column) const {
    for (const Split split : all_splits) {
      if (text(column) == to_string(split)) return split;
    }
    throw UserError(
        concat(place(column), "'", text(column), "' is not a split. Write train, val or test."));
  }

 private:
  const std::map<std::string, std::string>& cells_;
  int line_;
  const std::string& file_;
};

void check_columns(const CsvTable& table, const TabularOptions& options) {
  std::vector<std::string> wanted{options.site_column, options.split_column, options.label_column};
  for (const std::string& column : {options.id_column, options.patient_column}) {
    if (!column.empty()) wanted.push_back(column);
  }
  wanted.insert(wanted.end(), options.numeric.begin(), options.numeric.end());
  wanted.insert(wanted.end(), options.categorical.begin(), options.categorical.end());
  for (const std::string& column : wanted) {
    HARMOFL_VALIDATE(table.has(column), options.input.string(), ":1: there is no column '", column,
                     "'.", suggestion(column, table.columns), " Found: ", join(table.columns), ".");
  }
  HARMOFL_VALIDATE(!table.rows.empty(), options.input.string(),
                   ": there is no row below the header. Give a table with rows.");
}

/// Names that are sorted, by value where all of them are numbers ("4.0" is then 4), and each once.
class Names {
 public:
  explicit Names(const std::set<std::string>& texts) {
    numbers_ =
        std::ranges::all_of(texts, [](const auto& text) { return number_of(text).has_value(); });
    for (const std::string& text : texts) sorted_.push_back(name_of(text));
    std::ranges::sort(sorted_, [this](const std::string& a, const std::string& b) {
      return numbers_ ? *number_of(a) < *number_of(b) : a < b;
    });
    sorted_.erase(std::unique(sorted_.begin(), sorted_.end()), sorted_.end());
  }

  const std::vector<std::string>& all() const { return sorted_; }

  /// The position of `text`; nothing where it is none of them.
  std::optional<std::size_t> position(const std::string& text) const {
    if (numbers_ && !number_of(text)) return std::nullopt;
    const auto found = std::ranges::find(sorted_, name_of(text));
    if (found == sorted_.end()) return std::nullopt;
    return static_cast<std::size_t>(found - sorted_.begin());
  }

 private:
  static std::optional<double> number_of(const std::string& text) {
    const std::optional<double> value = parse_number(text);
    return value && std::isfinite(*value) ? value : std::nullopt;
  }

  std::string name_of(const std::string& text) const {
    return numbers_ ? exact_text(*number_of(text)) : text;
  }

  bool numbers_ = true;
  std::vector<std::string> sorted_;
};

/// What the cells of a column say, in all rows or in training rows alone.
Names names_in(const CsvTable& table, const std::string& column, const TabularOptions& options,
               bool training_only) {
  const std::string file = options.input.string();
  std::set<std::string> texts;
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    const Line line(table, row, file);
    if (training_only && line.split(options.split_column) != Split::train) continue;
    texts.insert(line.text(column));
  }
  HARMOFL_VALIDATE(!texts.empty(), file, ": column '", options.split_column,
                   "': no row is for training. Write train in some.");
  return Names(texts);
}

/// Turns lines into rows of numbers.
class Reader {
 public:
  Reader(const CsvTable& csv, const TabularOptions& options)
      : csv_(csv),
        options_(options),
        file_(options.input.string()),
        labels_(names_in(csv, options.label_column, options, false)) {
    for (const std::string& column : options.categorical) {
      levels_.push_back(names_in(csv, column, options, true));
    }
  }

  Table read() {
    Table table{features(), {}, labels_.all(), {}};
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      table.categories.push_back({options_.categorical[i], levels_[i].all()});
    }
    for (std::size_t row = 0; row < csv_.rows.size(); ++row) {
      const Line line(csv_, row, file_);
      table.sites[line.text(options_.site_column)].push_back(to_row(line));
    }
    return table;
  }

 private:
  std::size_t first_level() const { return options_.drop_first ? 1 : 0; }

  std::vector<std::string> features() const {
    std::vector<std::string> names = options_.numeric;
    for (std::size_t i = 0; i < levels_.size(); ++i) {
      const std::vector<std::string>& levels = levels_[i].all();
      for (std::size_t level = first_level(); level < levels.size(); ++level) {
        names.push_back(options_.categorical[i] + "=" + levels[level]);
      }
    }
    HARMOFL_VALIDATE(!names.empty(), file_, ": no feature is left: every category has one level ",
                     "alone, which --drop-first drops. Leave that out.");
    return names;
  }

  TableRow to_row(const Line& line) {
    TableRow row;
    row.line = line.number();
    row.id = id_of(line);
    if (!options_.patient_column.empty()) row.patient = line.text(options_.patient_column);
    row.split = line.split(options_.split_column);
    row.label = static_cast<std::int64_t>(*labels_.position(line.text(options_.label_column)));
    for (const std::string& column : options_.numeric) row.values.push_back(line.number(column));
    for (std::size_t i = 0; i < levels_.size(); ++i) add_category(line, i, row.values);
    return row;
  }

  void add_category(const Line& line, std::size_t i, std::vector<double>& values) const {
    const std::string& column = options_.categorical[i];
    const auto position = levels_[i].position(line.text(column));
    HARMOFL_VALIDATE(position, line.place(column), "'", line.text(column), "' is in no training ",
                     "row, whose levels are ", join(levels_[i].all()), ". Leave the row out, or ",
                     "move it to training.");
    for (std::size_t level = first_level(); level < levels_[i].all().size(); ++level) {
      values.push_back(level == *position ? 1.0 : 0.0);
    }
  }

  std::string id_of(const Line& line) {
    if (options_.id_column.empty()) return concat("line", line.number());
    const std::string& id = line.text(options_.id_column);
    const auto [known, is_new] = ids_.emplace(id, line.number());
    HARMOFL_VALIDATE(is_new, line.place(options_.id_column), "'", id, "' is already that of line ",
                     known->second, ". Give every row an id of its own.");
    return id;
  }

  const CsvTable& csv_;
  const TabularOptions& options_;
  std::string file_;
  Names labels_;
  std::vector<Names> levels_;
  std::map<std::string, int> ids_;
};

}  // namespace

Table read_table(const TabularOptions& options) {
  const CsvTable csv = read_csv(options.input);
  check_columns(csv, options);
  return Reader(csv, options).read();
}

Scale scale_of(const std::vector<const TableRow*>& rows, std::size_t features,
               const std::string& whose) {
  std::vector<const TableRow*> training;
  std::ranges::copy_if(rows, std::back_inserter(training),
                       [](const TableRow* row) { return row->split == Split::train; });
  HARMOFL_VALIDATE(training.size() >= 2, whose, ": ", training.size(), " training rows give no ",
                   "standard deviation. Give 2 at least, or --standardise none.");
  const auto count = static_cast<double>(training.size());
  Scale scale;
  for (std::size_t i = 0; i < features; ++i) {
    double sum = 0.0, squares = 0.0;
    for (const TableRow* row : training) sum += row->values[i];
    const double mean = sum / count;
    for (const TableRow* row : training)
      squares += (row->values[i] - mean) * (row->values[i] - mean);
    const bool constant = std::ranges::all_of(training, [&](const TableRow* row) {
      return row->values[i] == training.front()->values[i];
    });
    scale.mean.push_back(constant ? training.front()->values[i] : mean);
    scale.std.push_back(constant ? 0.0 : std::sqrt(squares / (count - 1.0)));
  }
  return scale;
}

void standardise(TableRow& row, const Scale& scale, const std::vector<std::string>& features,
                 const std::string& file) {
  for (std::size_t i = 0; i < row.values.size(); ++i) {
    const double centred = row.values[i] - scale.mean[i];
    HARMOFL_VALIDATE(scale.std[i] > 0.0 || centred == 0.0, file, ":", row.line, ": column '",
                     features[i], "': ", row.values[i], " cannot be standardised: all training ",
                     "rows that it is measured by hold ", scale.mean[i],
                     ". Give --standardise all ", "or none, or leave the column out.");
    row.values[i] = centred / (scale.std[i] + scale_epsilon);
  }
}

}  // namespace harmofl::prepare
