// SPDX-License-Identifier: Apache-2.0
#include "model/device/recording_plan.hpp"

namespace harmofl {

Turn RecordingPlan::next(std::int64_t images) {
  if (!seen_.contains(images) && seen_.size() == most_sizes) return Turn::as_it_is;
  const std::int64_t before = seen_[images]++;
  if (before < warm_ups) return Turn::warm_up;
  return before == warm_ups ? Turn::record : Turn::replay;
}

}  // namespace harmofl
