// SPDX-License-Identifier: Apache-2.0
#include "model/measures/measure_table.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <set>
#include <sstream>

namespace harmofl {
namespace {

constexpr Task of_labels = Task::classification;
constexpr Task of_masks = Task::segmentation;

const Measure* find_measure(std::string_view name) {
  const auto found = std::ranges::find(measures(), name, &Measure::name);
  return found == measures().end() ? nullptr : &*found;
}

/// "f1[tumour]" -> "f1".
std::string_view without_class(std::string_view name) { return name.substr(0, name.find('[')); }

std::vector<std::string> names_of(const std::vector<Measure>& rows) {
  std::vector<std::string> names;
  for (const Measure& row : rows) names.push_back(row.name);
  return names;
}

}  // namespace

bool Measure::is_of(Task task) const { return std::ranges::find(tasks, task) != tasks.end(); }

// Rows: name, tasks, lower is better, usual, may be undefined, needs, meaning.
const std::vector<Measure>& measures() {
  constexpr auto counts = MeasureNeeds::counts;
  constexpr auto surfaces = MeasureNeeds::surfaces;
  static const std::vector<Measure> rows{
      {"loss", {of_labels, of_masks}, true, true, false, counts, "the loss that is trained with"},
      {"accuracy", {of_labels}, false, true, false, counts, "share of samples that are right"},
      {"balanced_accuracy",
       {of_labels},
       false,
       true,
       false,
       counts,
       "mean over the classes that are there of the share of theirs that is right"},
      {"auc",
       {of_labels},
       false,
       true,
       true,
       counts,
       "area under the ROC curve, of classes the mean"},
      {"f1", {of_labels}, false, true, false, counts, "F1 score, mean of the classes"},
      {"dice", {of_masks}, false, true, false, counts, "Dice, mean of samples and classes"},
      {"dice_with_background",
       {of_masks},
       false,
       true,
       false,
       counts,
       "Dice as HarmoFL's authors have it, the background included"},
      {"iou", {of_masks}, false, true, false, counts, "intersection over union"},
      {"hd95", {of_masks}, true, false, false, surfaces, "95th percentile of border distances"},
      {"assd", {of_masks}, true, false, false, surfaces, "average symmetric border distance"},
  };
  return rows;
}

std::string_view main_metric(Task task) { return task == Task::segmentation ? "dice" : "accuracy"; }

bool lower_is_better(const std::string& name) {
  const Measure* const row = find_measure(without_class(name));
  return row == nullptr ? !name.starts_with("recall") : row->lower_is_better;
}

bool may_be_undefined(const std::string& name) {
  if (name.find('[') != std::string::npos) return true;
  const Measure* const row = find_measure(name);
  return row != nullptr && row->may_be_undefined;
}

std::vector<std::string> parse_measures(const std::string& key, const std::string& text) {
  if (text == "auto") return {};
  if (text == "all") return names_of(measures());
  std::vector<std::string> names;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto begin = part.find_first_not_of(' ');
    const std::string name = begin == std::string::npos
                                 ? ""
                                 : part.substr(begin, part.find_last_not_of(' ') + 1 - begin);
    if (find_measure(name) == nullptr) {
      throw UsageError(
          unknown(concat(key, " = ", text, ": '", name, "'"), name, names_of(measures())));
    }
    names.push_back(name);
  }
  if (names.empty()) {
    throw UsageError(concat(key, " = '' names no measure. Give auto, all, or some of ",
                            join(names_of(measures())), "; the default is auto."));
  }
  return names;
}

std::vector<std::string> measures_for(Task task, const std::vector<std::string>& asked,
                                      const std::string& also, const std::string& key) {
  const bool all = asked == names_of(measures());
  std::set<std::string> names{"loss"};
  for (const Measure& row : measures()) {
    if (row.is_of(task) && (all || (asked.empty() && row.usual))) names.insert(row.name);
  }
  std::vector<std::string> given;
  if (!all) given = asked;
  if (!also.empty()) given.push_back(also);
  for (const std::string& name : given) {
    const Measure* const row = find_measure(name);
    HARMOFL_EXPECT(row != nullptr);
    if (!row->is_of(task)) {
      std::vector<std::string> possible;
      for (const Measure& other : measures()) {
        if (other.is_of(task)) possible.push_back(other.name);
      }
      throw UsageError(concat(key, ": ", name, " is not a measure of ",
                              task == Task::segmentation ? "masks" : "labels",
                              ", which the shards hold. Those are: ", join(possible), "."));
    }
    names.insert(name);
  }
  return {names.begin(), names.end()};
}

bool need_surfaces(const std::vector<std::string>& names) {
  return std::ranges::any_of(names, [](const std::string& name) {
    const Measure* const row = find_measure(name);
    return row != nullptr && row->needs == MeasureNeeds::surfaces;
  });
}

}  // namespace harmofl
