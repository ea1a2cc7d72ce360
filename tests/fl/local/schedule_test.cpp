// SPDX-License-Identifier: Apache-2.0
// Learning rates by round against those of torch.optim.lr_scheduler, PyTorch 2.11.
#include "fl/local/schedule.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace harmofl {
namespace {

using testing::HasSubstr;

void expect_rates(const ScheduleOptions& options, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    const double rate = learning_rate(options, 0.1, RoundId{static_cast<std::int64_t>(t)});
    EXPECT_NEAR(rate, expected[t], 1e-15) << "round " << t;
  }
}

TEST(Schedule, constant_is_the_rate_itself) {
  expect_rates({}, {0.1, 0.1, 0.1});
  EXPECT_EQ(learning_rate({}, 0.3, RoundId{1000}), 0.3);
}

TEST(Schedule, step_is_that_of_StepLR) {
  expect_rates({.kind = ScheduleKind::step, .rounds = 3, .factor = 0.5},
               {0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025});
}

TEST(Schedule, cosine_is_that_of_CosineAnnealingLR_and_stays_at_its_final_rate) {
  expect_rates({.kind = ScheduleKind::cosine, .rounds = 5, .final_rate = 0.01},
               {0.1, 0.09140576474687263, 0.06890576474687263, 0.04109423525312736,
                0.018594235253127367, 0.01, 0.01, 0.01});
}

TEST(Schedule, warm_up_is_that_of_LinearLR_in_a_SequentialLR) {
  expect_rates({.warm_up = 4}, {0.020000000000000004, 0.04000000000000001, 0.06000000000000001,
                                0.08000000000000002, 0.1, 0.1, 0.1});
  expect_rates({.kind = ScheduleKind::step, .rounds = 3, .factor = 0.5, .warm_up = 2},
               {0.03333333333333333, 0.06666666666666667, 0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025});
  expect_rates(
      {.kind = ScheduleKind::cosine, .rounds = 4, .warm_up = 3},
      {0.025, 0.05, 0.07500000000000001, 0.1, 0.08535533905932738, 0.05, 0.014644660940672627});
}

TEST(Schedule, without_its_rounds_or_with_rounds_for_nothing_is_refused) {
  const auto error = [](const ScheduleOptions& options, std::int64_t rounds) {
    return test::user_error_of([&] { check(options, 0.1, rounds); });
  };
  EXPECT_THAT(error({.kind = ScheduleKind::step}, 5), HasSubstr("--train.schedule_rounds"));
  EXPECT_THAT(error({.rounds = 3}, 5),
              HasSubstr("train.schedule_rounds = 3 does nothing with train.schedule = constant"));
  EXPECT_THAT(error({.kind = ScheduleKind::cosine, .rounds = 4}, 5),
              HasSubstr("the learning rate of round 4, the last, would be 0"));
  EXPECT_NO_THROW(check({.kind = ScheduleKind::cosine, .rounds = 5}, 0.1, 5));
  EXPECT_NO_THROW(check({.kind = ScheduleKind::step, .rounds = 1, .factor = 0.5}, 0.1, 5));
  EXPECT_NO_THROW(check({.warm_up = 9}, 0.1, 5));
}

}  // namespace
}  // namespace harmofl
