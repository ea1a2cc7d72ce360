// SPDX-License-Identifier: Apache-2.0
/// Metrics (method.md, section 4): sums that add up over batches, the mean taken last.
#pragma once

#include "harmofl/io/shard.hpp"

#include <torch/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

struct ClassCounts;

/// name -> value: "loss" and, for segmentation, "dice" and "dice_with_background", for
/// classification "accuracy".
using MetricValues = std::map<std::string, double>;

/// The metric by which the best round is chosen.
std::string_view main_metric(Task task);

/// Adds up the metrics of one site and split.
class MetricSums {
 public:
  MetricSums(Task task, std::int64_t classes);

  /// Adds a batch: logits [B, classes(, H, W)], int64 targets [B(, H, W)] and its mean loss.
  void add(const torch::Tensor& logits, const torch::Tensor& targets, double loss);

  /// Means over all samples so far; empty when there are none.
  MetricValues values() const;

 private:
  void add_counts(const std::vector<ClassCounts>& images);
  void add_dice(const torch::Tensor& predicted, const torch::Tensor& targets);

  Task task_;
  std::int64_t classes_;
  double samples_ = 0.0;
  double loss_ = 0.0;
  double correct_ = 0.0;
  std::vector<double> dice_;          ///< Per class; an empty prediction of an empty truth is 1.
  std::vector<double> dice_authors_;  ///< Per class; 2|P&G| / (|P|+|G|+1e-5), so 0 when both empty.
};

/// Mean over classes and images of 2|P&G| / (|P|+|G|+1e-5): the authors' figure.
double dice_with_background(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace harmofl
