// SPDX-License-Identifier: Apache-2.0
#include "model/measures/ranking.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace harmofl {

double roc_auc(std::span<const double> scores, const std::vector<bool>& positive) {
  HARMOFL_EXPECT(scores.size() == positive.size());
  constexpr double undefined = std::numeric_limits<double>::quiet_NaN();
  const auto positives = static_cast<double>(std::ranges::count(positive, true));
  const double negatives = static_cast<double>(scores.size()) - positives;
  if (positives == 0.0 || negatives == 0.0) return undefined;
  if (std::ranges::any_of(scores, [](double score) { return std::isnan(score); })) return undefined;
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [&](std::size_t i) { return scores[i]; });
  double rank_sum = 0.0;
  for (std::size_t first = 0, last = 0; first < order.size(); first = last) {
    double tied_positives = 0.0;
    while (last < order.size() && scores[order[last]] == scores[order[first]]) {
      tied_positives += positive[order[last++]] ? 1.0 : 0.0;
    }
    // Ranks first + 1 to last, counted from 1, have the mean (first + 1 + last) / 2.
    rank_sum += tied_positives * static_cast<double>(first + last + 1) / 2.0;
  }
  return (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives);
}

}  // namespace harmofl
