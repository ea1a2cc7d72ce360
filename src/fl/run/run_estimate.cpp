// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_estimate.hpp"

#include <algorithm>

namespace harmofl {
namespace {

template <class Value>
auto sum_over(const std::vector<RankEstimate>& ranks, const Value& value) {
  decltype(value(ranks.front())) sum = 0;
  for (const RankEstimate& rank : ranks) sum += value(rank);
  return sum;
}

template <class Value>
auto most_of(const std::vector<RankEstimate>& ranks, const Value& value) {
  decltype(value(ranks.front())) most = 0;
  for (const RankEstimate& rank : ranks) most = std::max(most, value(rank));
  return most;
}

}  // namespace

double RankEstimate::train_s() const {
  if (step_images == 0) return 0.0;
  const double share = static_cast<double>(images) / static_cast<double>(lanes);
  return step.median_s / static_cast<double>(step_images) *
         std::max(share, static_cast<double>(longest_images));
}

double RankEstimate::evaluate_s() const {
  return evaluate_image_s * static_cast<double>(evaluated) / static_cast<double>(evaluate_lanes);
}

std::int64_t RunEstimate::images() const {
  return sum_over(ranks, [](const RankEstimate& rank) { return rank.images; });
}

std::int64_t RunEstimate::steps() const {
  return sum_over(ranks, [](const RankEstimate& rank) { return rank.steps; });
}

std::int64_t RunEstimate::evaluated() const {
  return sum_over(ranks, [](const RankEstimate& rank) { return rank.evaluated; });
}

const RankEstimate& RunEstimate::busiest() const {
  return *std::ranges::max_element(ranks, {}, &RankEstimate::images);
}

std::int64_t RunEstimate::memory_bytes() const {
  return most_of(ranks, [](const RankEstimate& rank) { return rank.memory_bytes(); });
}

double RunEstimate::train_s() const {
  return most_of(ranks, [](const RankEstimate& rank) { return rank.train_s(); });
}

double RunEstimate::evaluate_s() const {
  return most_of(ranks, [](const RankEstimate& rank) { return rank.evaluate_s(); });
}

double RunEstimate::aggregate_s() const {
  return most_of(ranks, [](const RankEstimate& rank) { return rank.aggregate_s; });
}

double RunEstimate::run_s() const {
  return static_cast<double>(rounds) * (train_s() + aggregate_s()) +
         static_cast<double>(evaluations) * evaluate_s();
}

Turns turns_of(std::vector<double> seconds) {
  std::ranges::sort(seconds);
  return {seconds.front(), seconds[seconds.size() / 2], seconds.back()};
}

}  // namespace harmofl
