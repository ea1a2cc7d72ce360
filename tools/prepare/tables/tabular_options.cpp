// SPDX-License-Identifier: Apache-2.0
#include "prepare/tables/tabular_options.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/command_options.hpp"

#include <array>
#include <set>
#include <sstream>

namespace harmofl::prepare {
namespace {

namespace po = boost::program_options;

constexpr const char* tabular = "tabular";
constexpr std::array all_standards{Standardise::site, Standardise::all, Standardise::none};

po::options_description tabular_options() {
  po::options_description options("Options", 100);
  const auto text = [](const char* shown) { return po::value<std::string>()->value_name(shown); };
  options.add_options()                                                              //
      ("input", text("CSV"), "table with a header, a row a patient (or sample)")     //
      ("output", text("DIR"), "folder for the shards; made when missing")            //
      ("numeric", text("A,B"), "columns that are numbers")                           //
      ("categorical", text("A,B"), "columns that are categories: a column a level")  //
      ("drop-first", "no column for the first level of a category")                  //
      ("standardise", text("WHOSE")->default_value("site"),
       "(x - mean) / (std + 1e-9) by the training rows of the site or of all, or none")      //
      ("site-column", text("NAME")->default_value("site"), "who holds the row")              //
      ("split-column", text("NAME")->default_value("split"), "train, val or test")           //
      ("label-column", text("NAME")->default_value("label"), "class of the row")             //
      ("id-column", text("NAME"), "name of the row; its line when not given")                //
      ("patient-column", text("NAME"), "rows of one patient, for data.partition = patient")  //
      ("overwrite", "replace shards that are there and differ")                              //
      ("help,h", "say this");
  return options;
}

std::string tabular_help(const po::options_description& known) {
  std::ostringstream text;
  text << "Usage: harmofl-prepare tabular --input CSV --output DIR --numeric A,B [options]\n"
          "\n"
          "Makes one HDF5 shard a site, OUTPUT/<site>.h5, from the rows of a table. A row becomes\n"
          "an image of 1x1 pixels with a channel a column.\n"
          "\n"
       << known << "\nExit status: 0 done; 1 the table cannot be used; 2 wrong usage.\n";
  return text.str();
}

Standardise parse_standard(const std::string& text) {
  std::vector<std::string> names;
  for (const Standardise by : all_standards) {
    if (text == to_string(by)) return by;
    names.push_back(to_string(by));
  }
  throw UsageError(unknown("--standardise " + text, text, names));
}

/// Refuses a column that is to be two things.
void check_distinct(const TabularOptions& options) {
  std::vector<std::string> columns{options.site_column, options.split_column, options.label_column};
  for (const std::string& column : {options.id_column, options.patient_column}) {
    if (!column.empty()) columns.push_back(column);
  }
  columns.insert(columns.end(), options.numeric.begin(), options.numeric.end());
  columns.insert(columns.end(), options.categorical.begin(), options.categorical.end());
  std::set<std::string> seen;
  for (const std::string& column : columns) {
    if (seen.insert(column).second) continue;
    throw UsageError(concat("the column '", column, "' is given twice. Give each column to one of ",
                            "--numeric, --categorical and the --...-column options, once."));
  }
}

TabularOptions to_tabular_options(const po::variables_map& values) {
  const auto text = [&](const char* option) {
    return values.count(option) == 0 ? std::string() : values[option].as<std::string>();
  };
  TabularOptions options;
  options.input = required(values, "input", tabular);
  options.output = required(values, "output", tabular);
  options.site_column = text("site-column");
  options.split_column = text("split-column");
  options.label_column = text("label-column");
  options.id_column = text("id-column");
  options.patient_column = text("patient-column");
  options.numeric = split_text(text("numeric"), ',');
  options.categorical = split_text(text("categorical"), ',');
  options.drop_first = values.count("drop-first") > 0;
  options.standardise = parse_standard(text("standardise"));
  options.overwrite = values.count("overwrite") > 0;
  if (options.numeric.empty() && options.categorical.empty()) {
    throw UsageError("no column is to be learnt from. Give --numeric, --categorical or both.");
  }
  check_distinct(options);
  return options;
}

}  // namespace

std::string to_string(Standardise by) {
  if (by == Standardise::site) return "site";
  return by == Standardise::all ? "all" : "none";
}

TabularCommand parse_tabular(const std::vector<std::string>& arguments) {
  const po::options_description known = tabular_options();
  const po::variables_map values = parse_options(arguments, known, tabular);
  if (values.count("help") > 0) return {tabular_help(known), {}};
  return {"", to_tabular_options(values)};
}

}  // namespace harmofl::prepare
