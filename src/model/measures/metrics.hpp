// SPDX-License-Identifier: Apache-2.0
/// Metrics (method.md, section 4; docs/guides/measures.md): what logits come to, sample by sample.
#pragma once

#include "model/measures/measure_table.hpp"
#include "model/measures/sample_table.hpp"

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

struct ClassCounts;

/// Gathers the samples of one site and split, batch by batch.
class MetricSums {
 public:
  explicit MetricSums(MeasureOptions options);
  MetricSums(Task task, std::int64_t classes) : MetricSums(MeasureOptions{task, classes}) {}

  /// Adds a batch: logits [B, classes(, H, W)], int64 targets [B(, H, W)] and its mean loss. The
  /// prediction is the class of the largest logit, the first of equals.
  void add(const torch::Tensor& logits, const torch::Tensor& targets, double loss);
  /// The same of a loss that lies where the logits do. What is found of a batch on a GPU stays
  /// there until `collect`, or until it is much: adding waits for no device.
  void add(const torch::Tensor& logits, const torch::Tensor& targets, const torch::Tensor& loss);

  /// Brings what is still on a GPU to the host; before anything below is asked for.
  void collect();

  /// The measures of all samples so far, "loss" among them; empty when there are none.
  MetricValues values() const;

  /// What was found of each.
  const SampleTable& samples() const { return table_; }

 private:
  /// What was found of a batch on its device. Undefined where it is of no use.
  struct Found {
    torch::Tensor logits;     ///< Of labels.
    torch::Tensor counts;     ///< Of masks, int64 [B, classes, 3].
    torch::Tensor predicted;  ///< Of masks whose borders are measured, uint8 [B, H, W].
    torch::Tensor targets;

    std::size_t bytes() const;
  };

  Found find(const torch::Tensor& logits, const torch::Tensor& targets) const;
  void take(const Found& found);
  void add_labels(const torch::Tensor& logits, const torch::Tensor& targets);
  void add_masks(const torch::Tensor& logits, const torch::Tensor& targets);
  void add_counted(const torch::Tensor& counts, const torch::Tensor& distances);
  void add_counts(const std::vector<ClassCounts>& images, const torch::Tensor& distances);
  torch::Tensor border_distances(const torch::Tensor& predicted,
                                 const torch::Tensor& targets) const;

  MeasureOptions options_;
  double loss_ = 0.0;           ///< Sum over samples.
  torch::Tensor device_loss_;   ///< The same on a GPU, float64; undefined where none is used.
  std::vector<Found> pending_;  ///< Of batches that are still there.
  SampleTable table_;
};

/// Mean over classes and images of 2|P&G| / (|P|+|G|+1e-5): the authors' figure.
double dice_with_background(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace harmofl
