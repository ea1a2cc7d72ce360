// SPDX-License-Identifier: Apache-2.0
/// What is said of a run while it goes on: how long it will take, and whether it goes anywhere.
#pragma once

#include "base/timer.hpp"
#include "fl/local/evaluation.hpp"
#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// Time that the rounds of a process take, saves included.
class RemainingTime {
 public:
  /// A round of `round_s` has ended; returns the seconds that `rounds_left` more will take, at the
  /// mean of those so far.
  double after_round(double round_s, std::int64_t rounds_left);

 private:
  double first_s_ = 0.0;
  Stopwatch since_first_;
  std::int64_t rounds_ = 0;
};

/// The loss that a model has which gives every one of `classes` the same probability: log K of
/// cross entropy; of its mean with Dice, whose part is at most 1, the larger of both.
double loss_of_knowing_nothing(std::int64_t classes);

/// Whether a measure of val scores, in their mean over sites, is not above what a model gets that
/// has found nothing or guesses: Dice and its like 0, accuracies 1/K, ROC AUC 1/2.
bool no_better_than_nothing(const std::vector<Score>& scores, std::int64_t classes);

/// Looks out for a run that diverges.
class DivergenceWatch {
 public:
  explicit DivergenceWatch(std::int64_t classes) : classes_(classes) {}

  /// Takes in a round. Returns a warning when its training loss is more than twice that of knowing
  /// nothing (the truth then gets the square of the probability that a guess gives it), and either
  /// more than in the round before or, of the first round that is seen, with a model that is no
  /// better than nothing. Nothing after the first warning.
  std::optional<std::string> after_round(RoundId round, const std::vector<Score>& scores);

 private:
  std::int64_t classes_;
  std::optional<double> former_loss_;
  bool warned_ = false;
};

}  // namespace harmofl
