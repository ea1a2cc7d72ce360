// SPDX-License-Identifier: Apache-2.0
/// The measures by name (docs/guides/measures.md has their formulas).
#pragma once

#include "harmofl/io/shard.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// What a measure is made of.
enum class MeasureNeeds {
  counts,    ///< Pixels or samples by class, scores and losses, which are there anyway.
  surfaces,  ///< Distances between the borders of masks, which cost time.
};

/// One row of the table.
struct Measure {
  std::string name;
  std::vector<Task> tasks;
  bool lower_is_better = false;
  bool usual = true;  ///< Among what is measured where nothing is said.
  /// It has no value where a class is missing; means over sites leave such sites out.
  bool may_be_undefined = false;
  MeasureNeeds needs = MeasureNeeds::counts;
  std::string meaning;

  bool is_of(Task task) const;
};

/// All measures that can be asked for, in the order of the documentation.
const std::vector<Measure>& measures();

/// The measure by which the best round is chosen where nothing is said.
std::string_view main_metric(Task task);

/// Whether lower values are better of the value called `name`: a measure's, or that of one class,
/// "f1[tumour]". What the table does not have (sums of what went wrong) is better lower.
bool lower_is_better(const std::string& name);

/// Whether a value called `name` may be undefined, and is left out of means over sites then.
bool may_be_undefined(const std::string& name);

/// The names that `text` asks for: "auto" gives an empty list, "all" every name; else names between
/// commas. Throws UsageError for an unknown one, naming `key`.
std::vector<std::string> parse_measures(const std::string& key, const std::string& text);

/// The names to measure, sorted: those in `asked` (the usual ones of the task where it is empty;
/// those of other tasks only are left out where all were asked for), and `also`, where that is not
/// "". Throws UsageError, naming `key`, for a measure that the task does not have.
std::vector<std::string> measures_for(Task task, const std::vector<std::string>& asked,
                                      const std::string& also, const std::string& key);

/// Whether any of `names` needs distances between borders.
bool need_surfaces(const std::vector<std::string>& names);

}  // namespace harmofl
