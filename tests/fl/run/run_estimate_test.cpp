// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_estimate.hpp"

#include <gtest/gtest.h>

namespace harmofl {
namespace {

/// A rank that was timed: steps of 8 images, a second each; a tenth of one for an image to
/// evaluate.
RankEstimate rank_of(std::int64_t images, std::int64_t evaluated) {
  RankEstimate rank;
  rank.images = images;
  rank.steps = (images + 7) / 8;
  rank.evaluated = evaluated;
  rank.step = {0.9, 1.0, 1.5};
  rank.step_images = 8;
  rank.evaluate_image_s = 0.1;
  rank.aggregate_s = 0.25;
  return rank;
}

TEST(RunEstimate, waits_for_the_slowest_rank_in_each_part_of_a_round) {
  RunEstimate estimate{.ranks = {rank_of(80, 10), rank_of(40, 30), {}}};
  EXPECT_DOUBLE_EQ(estimate.train_s(), 10.0);
  EXPECT_DOUBLE_EQ(estimate.evaluate_s(), 3.0);
  EXPECT_DOUBLE_EQ(estimate.round_s(), 13.25);
  EXPECT_EQ(estimate.images(), 120);
  EXPECT_EQ(estimate.steps(), 15);
  EXPECT_EQ(estimate.evaluated(), 40);
  EXPECT_EQ(estimate.busiest().images, 80);
}

TEST(RunEstimate, takes_steps_of_one_image_as_they_were_timed) {
  RunEstimate estimate{.ranks = {rank_of(80, 0)}};
  estimate.ranks[0].step_images = 1;
  EXPECT_DOUBLE_EQ(estimate.train_s(), 80.0);
}

TEST(RunEstimate, shares_work_out_among_lanes_but_for_the_longest_client) {
  RankEstimate rank = rank_of(80, 12);  // a second for 8 images in each of the lanes
  rank.lanes = 4;
  rank.evaluate_lanes = 3;
  rank.longest_images = 16;
  EXPECT_DOUBLE_EQ(rank.train_s(), 20.0 / 8.0);
  EXPECT_DOUBLE_EQ(rank.evaluate_s(), 0.4);
  rank.longest_images = 40;
  EXPECT_DOUBLE_EQ(rank.train_s(), 40.0 / 8.0);
}

TEST(RunEstimate, evaluates_in_some_of_the_rounds) {
  RunEstimate estimate{.ranks = {rank_of(80, 10)}, .rounds = 10, .evaluations = 2};
  EXPECT_DOUBLE_EQ(estimate.run_s(), 10 * 10.25 + 2 * 1.0);
}

TEST(RunEstimate, takes_the_memory_of_the_largest_rank) {
  RunEstimate estimate{.ranks = {rank_of(8, 0), rank_of(8, 0)}};
  estimate.ranks[0].peak_bytes = 100;
  estimate.ranks[0].to_come_bytes = 10;
  estimate.ranks[1].peak_bytes = 90;
  estimate.ranks[1].stream_bytes = 15;
  estimate.ranks[1].to_come_bytes = 15;
  EXPECT_EQ(estimate.memory_bytes(), 120);
}

TEST(Turns, are_the_extremes_and_the_median) {
  const Turns turns = turns_of({3.0, 1.0, 2.0});
  EXPECT_EQ(turns.least_s, 1.0);
  EXPECT_EQ(turns.median_s, 2.0);
  EXPECT_EQ(turns.most_s, 3.0);
}

}  // namespace
}  // namespace harmofl
