// SPDX-License-Identifier: Apache-2.0
#include "fl/record/run_watch.hpp"

#include "fl/record/site_table.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::vector<Score> scores_of(double loss, const std::string& measure, double value) {
  return {{ClientId{0}, Split::train, {{"loss", loss}}},
          {ClientId{1}, Split::train, {{"loss", loss}}},
          {ClientId{0}, Split::val, {{measure, value}, {"loss", 1.0}}},
          {ClientId{1}, Split::val, {{measure, value}, {"loss", 1.0}}}};
}

TEST(RunWatch, knows_what_knowing_nothing_costs) {
  EXPECT_DOUBLE_EQ(loss_of_knowing_nothing(2), (std::log(2.0) + 1.0) / 2.0);
  EXPECT_DOUBLE_EQ(loss_of_knowing_nothing(10), std::log(10.0));
}

TEST(RunWatch, calls_nothing_found_and_guesses_no_better_than_nothing) {
  EXPECT_TRUE(no_better_than_nothing(scores_of(1, "dice", 0.0), 2));
  EXPECT_FALSE(no_better_than_nothing(scores_of(1, "dice", 0.01), 2));
  EXPECT_TRUE(no_better_than_nothing(scores_of(1, "accuracy", 0.25), 4));
  EXPECT_FALSE(no_better_than_nothing(scores_of(1, "accuracy", 0.26), 4));
  EXPECT_TRUE(no_better_than_nothing(scores_of(1, "dice", std::nan("")), 2));
  EXPECT_FALSE(no_better_than_nothing(scores_of(1, "unknown", 0.0), 2));
  EXPECT_FALSE(no_better_than_nothing({}, 2)) << "not validated";
}

TEST(RunWatch, warns_once_of_a_loss_that_is_high_and_grows) {
  DivergenceWatch watch(2);
  EXPECT_FALSE(watch.after_round(RoundId{0}, scores_of(0.8, "dice", 0.1)));
  EXPECT_FALSE(watch.after_round(RoundId{1}, scores_of(1.69, "dice", 0.0))) << "below twice 0.8466";
  const auto warning = watch.after_round(RoundId{2}, scores_of(115.0, "dice", 0.3));
  ASSERT_TRUE(warning);
  EXPECT_THAT(*warning, AllOf(HasSubstr("the run diverges: in round 2 the training loss is "
                                        "115.0000, after 1.6900"),
                              HasSubstr("has 0.8466"), HasSubstr("Lower --train.lr")));
  EXPECT_FALSE(watch.after_round(RoundId{3}, scores_of(300.0, "dice", 0.0)));
}

TEST(RunWatch, calls_a_loss_high_above_twice_what_knowing_nothing_costs) {
  const double nothing = loss_of_knowing_nothing(2);
  for (const auto& [times, high] : {std::pair{1.99, false}, {2.01, true}}) {
    DivergenceWatch watch(2);
    watch.after_round(RoundId{0}, scores_of(0.5, "dice", 0.1));
    const auto warning = watch.after_round(RoundId{1}, scores_of(times * nothing, "dice", 0.0));
    EXPECT_EQ(warning.has_value(), high) << times;
  }
}

TEST(RunWatch, lets_a_high_loss_pass_that_falls) {
  DivergenceWatch watch(2);
  for (const double loss : {20.0, 9.0, 4.0, 2.0}) {
    EXPECT_FALSE(watch.after_round(RoundId{0}, scores_of(loss, "accuracy", 0.6)));
  }
}

TEST(RunWatch, takes_a_first_round_for_divergence_where_its_model_is_worth_nothing) {
  EXPECT_TRUE(DivergenceWatch(2).after_round(RoundId{0}, scores_of(115.0, "dice", 0.0)));
  EXPECT_FALSE(DivergenceWatch(2).after_round(RoundId{0}, scores_of(115.0, "dice", 0.2)));
  EXPECT_FALSE(DivergenceWatch(2).after_round(RoundId{0}, {}));
}

TEST(RunWatch, expects_the_rounds_that_are_left_to_take_what_those_before_took) {
  RemainingTime remaining;
  EXPECT_NEAR(remaining.after_round(100.0, 9), 900.0, 1.0);
  EXPECT_NEAR(remaining.after_round(0.0, 8), 400.0, 1.0) << "hardly any time has passed since";
  EXPECT_EQ(remaining.after_round(0.0, 0), 0.0);
}

TEST(SiteTable, has_every_measure_of_every_site_and_their_spread) {
  RunLogState state;
  EXPECT_EQ(site_table(state), "");
  state.best_round = 7;
  state.best_val.sites = {{"north", {{"dice", 0.5}, {"loss", 0.25}}}, {"south", {{"dice", 0.75}}}};
  state.best_test.sites = {{"north", {{"dice", 0.125}}}};
  EXPECT_EQ(site_table(state),
            "best round 7 of each site\n"
            "         val dice  val loss  test dice\n"
            "  north    0.5000    0.2500     0.1250\n"
            "  south    0.7500         -          -\n"
            "  mean     0.6250    0.2500     0.1250\n"
            "  std      0.1768         -          -");
  EXPECT_THAT(site_table(state, 1), AllOf(HasSubstr("north"), Not(HasSubstr("south")),
                                          HasSubstr("and 1 more"), HasSubstr("0.6250")));
}

}  // namespace
}  // namespace harmofl
