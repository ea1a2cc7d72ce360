// SPDX-License-Identifier: Apache-2.0
/// What evaluation finds of each sample, and the measures that are made of it: of one split, or of
/// the samples of several sites together.
#pragma once

#include "harmofl/io/shard.hpp"
#include "model/measures/surface_distance.hpp"

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace harmofl {

/// name -> value: "loss", "accuracy", ... (measure_table.hpp), or of one class, "f1[tumour]".
using MetricValues = std::map<std::string, double>;

/// What is measured.
struct MeasureOptions {
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  std::vector<std::string> names = {};  ///< Sorted; empty: the usual ones of the task.
  std::vector<Spacing> spacing = {};    ///< Of each sample, or one of all; empty: pixels.

  bool wants(const std::string& name) const;
  const Spacing& spacing_of(std::int64_t sample) const;
};

/// The options with the names that an empty list stands for.
MeasureOptions with_names(MeasureOptions options);

/// A row of numbers a sample, in the order of the samples.
///   labels: the true class, the predicted one, the probability of each class
///   masks:  of each class, pixels in both masks, in the predicted one, in the true one, and, where
///           borders are measured, hd95 and assd (0 for the background, which has none)
struct SampleTable {
  std::int64_t width = 0;      ///< Numbers a sample.
  std::vector<double> values;  ///< [samples, width].

  std::int64_t samples() const { return width == 0 ? 0 : std::ssize(values) / width; }
  std::span<const double> row(std::int64_t sample) const;
  /// Adds the rows of `other`, of the same width.
  void append(const SampleTable& other);
};

/// Numbers a sample of what `options` ask for.
std::int64_t row_width(const MeasureOptions& options);

/// The measures of all samples of `table`, the loss aside; none where there are no samples.
MetricValues measured_values(const SampleTable& table, const MeasureOptions& options);

/// Those of each class, "f1[tumour]": recall, f1 and auc of labels; dice, iou, hd95 and assd of
/// masks, without the background (class 0).
MetricValues class_values(const SampleTable& table, const MeasureOptions& options,
                          const std::vector<std::string>& class_names);

/// Columns of a table of single samples, and what stands in them: for labels the names of the true
/// and the predicted class and the probabilities; for masks the measures of the sample, of each
/// class too where there are several beside the background.
std::vector<std::string> sample_columns(const MeasureOptions& options,
                                        const std::vector<std::string>& class_names);
std::vector<std::string> sample_fields(const SampleTable& table, std::int64_t sample,
                                       const MeasureOptions& options,
                                       const std::vector<std::string>& class_names);

}  // namespace harmofl
