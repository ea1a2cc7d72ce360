// SPDX-License-Identifier: Apache-2.0
#include "fl/local/schedule.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace harmofl {

double learning_rate(const ScheduleOptions& options, double lr, RoundId round) {
  const std::int64_t t = round.value(), since = t - options.warm_up;
  if (since < 0) {
    return lr * static_cast<double>(t + 1) / static_cast<double>(options.warm_up + 1);
  }
  if (options.kind == ScheduleKind::step) {
    return lr * std::pow(options.factor, static_cast<double>(since / options.rounds));
  }
  if (options.kind == ScheduleKind::cosine) {
    const double part =
        static_cast<double>(std::min(since, options.rounds)) / static_cast<double>(options.rounds);
    return options.final_rate +
           (lr - options.final_rate) * (1.0 + std::cos(std::numbers::pi * part)) / 2.0;
  }
  return lr;
}

void check(const ScheduleOptions& options, double lr, std::int64_t rounds) {
  const bool constant = options.kind == ScheduleKind::constant;
  HARMOFL_VALIDATE(constant || options.rounds > 0, "train.schedule_rounds = 0, but train.schedule ",
                   "needs a number of rounds: between two steps, or until the end of the cosine. ",
                   "Set --train.schedule_rounds.");
  HARMOFL_VALIDATE(!constant || options.rounds == 0, "train.schedule_rounds = ", options.rounds,
                   " does nothing with train.schedule = constant. Set --train.schedule step or ",
                   "cosine, or leave it out.");
  const double last = learning_rate(options, lr, RoundId{std::max<std::int64_t>(rounds, 1) - 1});
  HARMOFL_VALIDATE(last > 0.0, "train.schedule: the learning rate of round ", rounds - 1,
                   ", the last, would be 0. Set --train.lr_final above 0, a larger ",
                   "--train.schedule_rounds, or fewer --run.rounds.");
}

}  // namespace harmofl
