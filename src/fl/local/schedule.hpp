// SPDX-License-Identifier: Apache-2.0
/// The learning rate of each round.
#pragma once

#include "harmofl/base/ids.hpp"

#include <cstdint>

namespace harmofl {

enum class ScheduleKind { constant, step, cosine };

/// `train.schedule` and what belongs to it. Counts are of rounds.
struct ScheduleOptions {
  ScheduleKind kind = ScheduleKind::constant;
  std::int64_t rounds = 0;   ///< Number between two steps; until the cosine's final rate.
  double factor = 0.1;       ///< What a step multiplies the rate by.
  double final_rate = 0.0;   ///< Learning rate that the cosine ends at.
  std::int64_t warm_up = 0;  ///< Number at the start with a smaller rate.

  /// Whether the rate is not that of every round.
  bool moves() const { return kind != ScheduleKind::constant || warm_up > 0; }
};

/// The learning rate of round t, a function of t alone, so that a run that is resumed or extended
/// has the rates of one that never stopped. With W = warm_up, N = rounds, s = t - W:
///   t < W     lr (t + 1) / (W + 1)
///   constant  lr
///   step      lr factor^floor(s / N)
///   cosine    final + (lr - final) (1 + cos(pi min(s, N) / N)) / 2
/// These are PyTorch's LinearLR (start_factor 1 / (W + 1), total_iters W), then StepLR or
/// CosineAnnealingLR, in a SequentialLR with milestone W; the cosine stays at its final rate.
double learning_rate(const ScheduleOptions& options, double lr, RoundId round);

/// Throws UserError, naming key and value, where a value is missing or would do nothing, and where
/// the rate of one of `rounds` rounds would be 0.
void check(const ScheduleOptions& options, double lr, std::int64_t rounds);

}  // namespace harmofl
