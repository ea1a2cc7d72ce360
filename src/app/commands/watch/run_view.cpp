// SPDX-License-Identifier: Apache-2.0
#include "app/commands/watch/run_view.hpp"

#include "model/measures/measure_table.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace harmofl {
namespace {

constexpr double patience_rounds = 3.0;  ///< Rounds without news that are still usual.
constexpr double patience_s = 10.0;      ///< At least.

}  // namespace

RunPhase phase_of(const RunSigns& signs) {
  const bool quiet =
      signs.news_age_s > std::max(patience_s, patience_rounds * signs.usual_s) && signs.rounds > 0;
  const RunPhase going = signs.rounds == 0 ? RunPhase::starting : RunPhase::running;
  const bool writes = signs.locked || signs.alive == true;
  // Locked, it has been taken up again for more rounds.
  if (signs.finished && !(signs.locked && signs.alive != false)) return RunPhase::finished;
  if (signs.locked && signs.alive == false) return RunPhase::killed;
  if (writes) return quiet ? RunPhase::silent : going;
  if (signs.alive == false || quiet) return RunPhase::stopped;
  return going;
}

double mean_of_val(const RunView& view, std::size_t measured) {
  double sum = 0.0;
  std::int64_t count = 0;
  for (const SiteTrack& site : view.sites) {
    const std::optional<double>& value = site.val[measured];
    if (site.held_out || !value) continue;
    if (std::isnan(*value) && may_be_undefined(view.measure)) continue;
    sum += *value;
    ++count;
  }
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

std::int64_t best_measured(const RunView& view) {
  std::int64_t best = -1;
  double best_value = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < view.measured.size(); ++i) {
    const double value = mean_of_val(view, i);
    if (std::isnan(value)) continue;
    const bool better = view.lower_is_better ? value < best_value : value > best_value;
    if (best >= 0 && !better) continue;
    best = static_cast<std::int64_t>(i);
    best_value = value;
  }
  return best;
}

}  // namespace harmofl
