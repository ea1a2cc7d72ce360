// SPDX-License-Identifier: Apache-2.0
// The commands that make two runs show more of where they part.
#include "app/commands/diff/run_difference.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

RunDifference measured_in_round(std::int64_t round) {
  RunDifference found;
  found.a = {.folder = "runs/a", .config = {}, .title = "", .ranks = 1, .rounds = 9};
  found.b = {.folder = "runs/b b/",
             .config = {{"personalize.epochs", "2"}},
             .title = "",
             .ranks = 4,
             .rounds = 9};
  found.measured = DifferingScores{round, {{"train loss of x", "1", "2"}}};
  return found;
}

TEST(CommandsToLookCloser, run_both_up_to_the_round_and_compare) {
  const auto commands = commands_to_look_closer(measured_in_round(3));
  EXPECT_THAT(commands,
              ElementsAre("harmofl train --config runs/a/config.ini --run.output runs/a-closer "
                          "--run.rounds 4 --run.save_every 1 --run.keep 2 --run.fingerprints true "
                          "--run.resume false",
                          "mpirun -n 4 harmofl train --config 'runs/b b/config.ini' --run.output "
                          "'runs/b b-closer' --run.rounds 4 --run.save_every 1 --run.keep 2 "
                          "--run.fingerprints true --personalize.epochs 0 --run.resume false",
                          "harmofl diff runs/a-closer 'runs/b b-closer'"));
}

TEST(CommandsToLookCloser, go_on_from_the_last_save_that_is_alike) {
  RunDifference found = measured_in_round(3);
  found.saved.last_alike = AlikeSaves{2, "runs/a/checkpoint-000002.h5", "x/checkpoint.h5"};
  EXPECT_THAT(
      commands_to_look_closer(found),
      testing::AllOf(testing::Contains("mkdir runs/a-closer"),
                     testing::Contains("cp runs/a/checkpoint-000002.h5 "
                                       "runs/a-closer/checkpoint.h5"),
                     testing::Contains("cp x/checkpoint.h5 'runs/b b-closer/checkpoint.h5'"),
                     testing::Contains(HasSubstr("--run.resume true"))));
  found.saved.last_alike->rounds = 4;  // the round lies before
  EXPECT_THAT(commands_to_look_closer(found), Not(testing::Contains(HasSubstr("mkdir"))));
}

TEST(CommandsToLookCloser, are_none_where_client_tensor_and_size_are_known) {
  RunDifference found = measured_in_round(3);
  found.computed = DifferingRound{3, {.part = RoundPart::average}, ""};
  EXPECT_FALSE(commands_to_look_closer(found).empty());
  found.saved.first_other = CheckpointDifference{.rounds_a = 4, .rounds_b = 4};
  EXPECT_THAT(commands_to_look_closer(found), IsEmpty());
  found.saved.first_other->rounds_a = 6;  // too late to tell
  EXPECT_FALSE(commands_to_look_closer(found).empty());
  found.saved.first_other->rounds_a = 3;  // before the round
  EXPECT_FALSE(commands_to_look_closer(found).empty());
  found.computed->what.part = RoundPart::start;
  EXPECT_THAT(commands_to_look_closer(found), IsEmpty());
}

TEST(FirstRound, is_the_earliest_that_anything_tells) {
  RunDifference found;
  EXPECT_FALSE(found.first_round());
  EXPECT_TRUE(found.alike());
  found.saved.first_other = CheckpointDifference{.rounds_a = 5, .rounds_b = 5};
  EXPECT_EQ(found.first_round(), 4);
  found.measured = DifferingScores{7, {}};
  EXPECT_EQ(found.first_round(), 7);
  found.computed = DifferingRound{6, {.part = RoundPart::model}, ""};
  EXPECT_EQ(found.first_round(), 6);
  EXPECT_FALSE(found.alike());
}

}  // namespace
}  // namespace harmofl
