// SPDX-License-Identifier: Apache-2.0
// What state a run is in, by what its folder shows, and which of its rounds is the best.
#include "app/commands/watch/run_view.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace harmofl {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

TEST(RunPhase, is_told_by_lock_process_and_the_age_of_the_last_round) {
  constexpr std::optional<bool> unknown;
  struct Row {
    RunSigns signs;
    RunPhase phase;
  };
  const std::vector<Row> table{
      // finished, locked, alive, rounds, news_age_s, usual_s
      {{false, true, true, 0, 500.0, 0.0}, RunPhase::starting},
      {{false, true, unknown, 0, 500.0, 0.0}, RunPhase::starting},
      {{false, true, true, 3, 19.0, 20.0}, RunPhase::running},
      {{false, true, true, 3, 59.0, 20.0}, RunPhase::running},
      {{false, true, true, 3, 61.0, 20.0}, RunPhase::silent},
      {{false, true, unknown, 3, 61.0, 20.0}, RunPhase::silent},
      {{false, true, true, 3, 9.0, 0.1}, RunPhase::running},
      {{false, true, true, 3, 11.0, 0.1}, RunPhase::silent},
      {{false, true, false, 3, 1.0, 20.0}, RunPhase::killed},
      {{false, true, false, 0, 1.0, 0.0}, RunPhase::killed},
      {{false, false, false, 3, 1.0, 20.0}, RunPhase::stopped},
      {{false, false, unknown, 3, 61.0, 20.0}, RunPhase::stopped},
      {{false, false, unknown, 3, 1.0, 20.0}, RunPhase::running},  // no locks on its disk
      {{false, false, true, 3, 1.0, 20.0}, RunPhase::running},
      {{true, false, unknown, 3, 900.0, 20.0}, RunPhase::finished},
      {{true, false, false, 3, 900.0, 20.0}, RunPhase::finished},
      {{true, false, true, 3, 1.0, 20.0}, RunPhase::finished},
      {{true, true, true, 3, 1.0, 20.0}, RunPhase::running},  // it goes on with more rounds
      {{true, true, unknown, 3, 1.0, 20.0}, RunPhase::running},
      {{true, true, false, 3, 1.0, 20.0}, RunPhase::finished},
  };
  for (std::size_t i = 0; i < table.size(); ++i) {
    EXPECT_EQ(phase_of(table[i].signs), table[i].phase) << "row " << i;
  }
}

RunView dice_of(std::vector<SiteTrack> sites, std::size_t rounds) {
  RunView view;
  view.measure = "dice";
  for (std::size_t i = 0; i < rounds; ++i) view.measured.push_back(static_cast<std::int64_t>(i));
  view.sites = std::move(sites);
  return view;
}

TEST(BestMeasured, is_the_first_of_the_highest_means) {
  const RunView view =
      dice_of({{"a", false, {0.5, 0.75, 0.75}}, {"b", false, {0.5, 0.25, 0.25}}}, 3);
  EXPECT_EQ(best_measured(view), 0);
  EXPECT_DOUBLE_EQ(mean_of_val(view, 1), 0.5);
}

TEST(BestMeasured, leaves_out_held_out_sites_and_rounds_without_a_number) {
  const RunView view = dice_of({{"a", false, {0.5, nan_value, 0.25}},
                                {"new", true, {0.0, 1.0, 1.0}},
                                {"late", false, {std::nullopt, 0.75, std::nullopt}}},
                               3);
  EXPECT_EQ(best_measured(view), 0);
  EXPECT_DOUBLE_EQ(mean_of_val(view, 0), 0.5);
  EXPECT_TRUE(std::isnan(mean_of_val(view, 1)));  // a Dice is never undefined
  EXPECT_DOUBLE_EQ(mean_of_val(view, 2), 0.25);
}

TEST(BestMeasured, leaves_out_sites_where_the_measure_is_undefined) {
  RunView view = dice_of({{"a", false, {nan_value}}, {"b", false, {0.75}}}, 1);
  view.measure = "auc";
  EXPECT_DOUBLE_EQ(mean_of_val(view, 0), 0.75);
}

TEST(BestMeasured, is_the_lowest_where_lower_is_better) {
  RunView view = dice_of({{"a", false, {3.0, 1.0, 2.0}}}, 3);
  view.lower_is_better = true;
  EXPECT_EQ(best_measured(view), 1);
  EXPECT_EQ(best_measured(dice_of({}, 0)), -1);
}

}  // namespace
}  // namespace harmofl
