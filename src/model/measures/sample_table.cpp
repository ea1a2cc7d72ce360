// SPDX-License-Identifier: Apache-2.0
#include "model/measures/sample_table.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "model/measures/measure_table.hpp"
#include "model/measures/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

namespace harmofl {
namespace {

constexpr double authors_eps = 1e-5;
constexpr double no_value = std::numeric_limits<double>::quiet_NaN();

// Numbers of a row before those of the classes, and of each class.
constexpr std::size_t label_columns = 2;
constexpr std::size_t count_columns = 3;
constexpr std::size_t surface_columns = 5;

double mean_of_all(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The mean of those that are there; NaN where none is.
double mean_of_defined(std::vector<double> values) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  return values.empty() ? no_value : mean_of_all(values);
}

/// Samples of one class of labels.
struct LabelCounts {
  double both = 0.0, predicted = 0.0, truth = 0.0;

  /// Share of the class's samples that is right.
  double recall() const { return truth > 0.0 ? both / truth : no_value; }
  /// 2 TP / (2 TP + FP + FN)
  double f1() const {
    return predicted + truth > 0.0 ? 2.0 * both / (predicted + truth) : no_value;
  }
};

std::vector<LabelCounts> count_labels(const SampleTable& table, std::int64_t classes) {
  std::vector<LabelCounts> counts(static_cast<std::size_t>(classes));
  for (std::int64_t i = 0; i < table.samples(); ++i) {
    const auto truth = static_cast<std::size_t>(table.row(i)[0]);
    const auto predicted = static_cast<std::size_t>(table.row(i)[1]);
    counts[truth].truth += 1.0;
    counts[predicted].predicted += 1.0;
    if (truth == predicted) counts[truth].both += 1.0;
  }
  return counts;
}

/// One class against all others. Of two classes both have the curve of the second's probability.
double class_auc(const SampleTable& table, std::int64_t classes, std::int64_t k) {
  const std::int64_t scored = classes == 2 ? 1 : k;
  std::vector<double> scores;
  std::vector<bool> positive;
  for (std::int64_t i = 0; i < table.samples(); ++i) {
    const auto row = table.row(i);
    positive.push_back(static_cast<std::int64_t>(row[0]) == scored);
    scores.push_back(row[label_columns + static_cast<std::size_t>(scored)]);
  }
  return roc_auc(scores, positive);
}

MetricValues label_values(const SampleTable& table, const MeasureOptions& options) {
  const std::vector<LabelCounts> counts = count_labels(table, options.classes);
  std::vector<double> recalls, scores, areas;
  double correct = 0.0;
  for (const LabelCounts& one : counts) {
    correct += one.both;
    recalls.push_back(one.recall());
    scores.push_back(one.f1());
  }
  MetricValues values;
  if (options.wants("accuracy")) {
    values["accuracy"] = correct / static_cast<double>(table.samples());
  }
  if (options.wants("balanced_accuracy")) values["balanced_accuracy"] = mean_of_defined(recalls);
  if (options.wants("f1")) values["f1"] = mean_of_defined(scores);
  if (options.wants("auc")) {
    for (std::int64_t k = 0; k < options.classes; ++k) {
      areas.push_back(class_auc(table, options.classes, k));
    }
    values["auc"] = mean_of_defined(areas);
  }
  return values;
}

/// Of one class in one image.
struct MaskRow {
  double both, predicted, truth, hd95, assd;

  double sizes() const { return predicted + truth; }
  /// An empty prediction of an empty truth is 1.
  double dice() const { return sizes() > 0.0 ? 2.0 * both / sizes() : 1.0; }
  double iou() const { return sizes() > 0.0 ? both / (sizes() - both) : 1.0; }
  /// 2|P&G| / (|P|+|G|+1e-5), so 0 when both are empty.
  double authors_dice() const { return 2.0 * both / (sizes() + authors_eps); }
  double one_empty() const { return (predicted > 0.0) == (truth > 0.0) ? 0.0 : 1.0; }
};

MaskRow mask_row(const SampleTable& table, std::int64_t sample, std::int64_t k,
                 const MeasureOptions& options) {
  const auto row = table.row(sample);
  const auto width = static_cast<std::size_t>(row_width(options) / options.classes);
  const auto first = static_cast<std::size_t>(k) * width;
  const bool surfaces = width == surface_columns;
  return {row[first], row[first + 1], row[first + 2], surfaces ? row[first + 3] : no_value,
          surfaces ? row[first + 4] : no_value};
}

using MaskValue = double (*)(const MaskRow&);

struct MaskMeasure {
  const char* name;
  MaskValue value;
};

// Measures of masks that each class but the background has in each image.
constexpr MaskMeasure mask_measures[]{
    {"dice", [](const MaskRow& row) { return row.dice(); }},
    {"iou", [](const MaskRow& row) { return row.iou(); }},
    {"hd95", [](const MaskRow& row) { return row.hd95; }},
    {"assd", [](const MaskRow& row) { return row.assd; }},
};

/// The sum over samples of each class's value, from class `first` on.
std::vector<double> sums_by_class(const SampleTable& table, const MeasureOptions& options,
                                  std::int64_t first, MaskValue value) {
  std::vector<double> sums(
      static_cast<std::size_t>(std::max<std::int64_t>(options.classes - first, 0)));
  for (std::int64_t i = 0; i < table.samples(); ++i) {
    for (std::size_t k = 0; k < sums.size(); ++k) {
      sums[k] += value(mask_row(table, i, first + static_cast<std::int64_t>(k), options));
    }
  }
  return sums;
}

MetricValues mask_values(const SampleTable& table, const MeasureOptions& options) {
  const auto samples = static_cast<double>(table.samples());
  const auto mean = [&](std::int64_t first, MaskValue value) {
    return mean_of_all(sums_by_class(table, options, first, value)) / samples;
  };
  MetricValues values;
  for (const MaskMeasure& measure : mask_measures) {
    if (options.wants(measure.name)) values[measure.name] = mean(1, measure.value);
  }
  if (options.wants("dice_with_background")) {
    values["dice_with_background"] = mean(0, [](const MaskRow& row) { return row.authors_dice(); });
  }
  if (need_surfaces(options.names)) {
    values["one_empty"] = mean(1, [](const MaskRow& row) { return row.one_empty(); });
  }
  return values;
}

std::string of_class(std::string_view measure, const std::string& class_name) {
  return concat(measure, "[", class_name, "]");
}

}  // namespace

bool MeasureOptions::wants(const std::string& name) const {
  return std::ranges::binary_search(names, name);
}

const Spacing& MeasureOptions::spacing_of(std::int64_t sample) const {
  if (spacing.empty()) return pixels_apart;
  return spacing.size() == 1 ? spacing.front() : spacing.at(static_cast<std::size_t>(sample));
}

MeasureOptions with_names(MeasureOptions options) {
  if (options.names.empty()) options.names = measures_for(options.task, {}, "", "measures");
  return options;
}

std::span<const double> SampleTable::row(std::int64_t sample) const {
  return std::span(values).subspan(static_cast<std::size_t>(sample * width),
                                   static_cast<std::size_t>(width));
}

void SampleTable::append(const SampleTable& other) {
  HARMOFL_EXPECT(width == 0 || other.width == 0 || width == other.width);
  if (width == 0) width = other.width;
  values.insert(values.end(), other.values.begin(), other.values.end());
}

std::int64_t row_width(const MeasureOptions& options) {
  if (options.task == Task::classification) {
    return static_cast<std::int64_t>(label_columns) + options.classes;
  }
  const std::size_t each = need_surfaces(options.names) ? surface_columns : count_columns;
  return options.classes * static_cast<std::int64_t>(each);
}

MetricValues measured_values(const SampleTable& table, const MeasureOptions& options) {
  if (table.samples() == 0) return {};
  return options.task == Task::classification ? label_values(table, options)
                                              : mask_values(table, options);
}

MetricValues class_values(const SampleTable& table, const MeasureOptions& options,
                          const std::vector<std::string>& class_names) {
  MetricValues values;
  if (table.samples() == 0) return values;
  HARMOFL_EXPECT(std::ssize(class_names) == options.classes);
  if (options.task == Task::classification) {
    const std::vector<LabelCounts> counts = count_labels(table, options.classes);
    for (std::int64_t k = 0; k < options.classes; ++k) {
      const auto index = static_cast<std::size_t>(k);
      values[of_class("recall", class_names[index])] = counts[index].recall();
      if (options.wants("f1")) values[of_class("f1", class_names[index])] = counts[index].f1();
      if (options.wants("auc")) {
        values[of_class("auc", class_names[index])] = class_auc(table, options.classes, k);
      }
    }
    return values;
  }
  for (const MaskMeasure& measure : mask_measures) {
    if (!options.wants(measure.name)) continue;
    const std::vector<double> sums = sums_by_class(table, options, 1, measure.value);
    for (std::size_t k = 0; k < sums.size(); ++k) {
      values[of_class(measure.name, class_names[k + 1])] =
          sums[k] / static_cast<double>(table.samples());
    }
  }
  return values;
}

std::vector<std::string> sample_columns(const MeasureOptions& options,
                                        const std::vector<std::string>& class_names) {
  std::vector<std::string> columns;
  if (options.task == Task::classification) {
    columns = {"class", "predicted"};
    for (const std::string& name : class_names) columns.push_back(of_class("p", name));
    return columns;
  }
  for (const MaskMeasure& measure : mask_measures) {
    if (!options.wants(measure.name)) continue;
    columns.emplace_back(measure.name);
    for (std::size_t k = 1; class_names.size() > 2 && k < class_names.size(); ++k) {
      columns.push_back(of_class(measure.name, class_names[k]));
    }
  }
  return columns;
}

std::vector<std::string> sample_fields(const SampleTable& table, std::int64_t sample,
                                       const MeasureOptions& options,
                                       const std::vector<std::string>& class_names) {
  const auto row = table.row(sample);
  std::vector<std::string> fields;
  if (options.task == Task::classification) {
    for (std::size_t i = 0; i < label_columns; ++i) {
      fields.push_back(class_names.at(static_cast<std::size_t>(row[i])));
    }
    for (const double p : row.subspan(label_columns)) fields.push_back(exact_text(p));
    return fields;
  }
  for (const MaskMeasure& measure : mask_measures) {
    if (!options.wants(measure.name)) continue;
    std::vector<double> values;
    for (std::int64_t k = 1; k < options.classes; ++k) {
      values.push_back(measure.value(mask_row(table, sample, k, options)));
    }
    fields.push_back(exact_text(mean_of_all(values)));
    for (std::size_t k = 0; values.size() > 1 && k < values.size(); ++k) {
      fields.push_back(exact_text(values[k]));
    }
  }
  return fields;
}

}  // namespace harmofl
