// SPDX-License-Identifier: Apache-2.0
#include "model/device/recording_plan.hpp"

#include "model/device/static_step.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace harmofl {
namespace {

std::vector<Turn> turns(RecordingPlan& plan, const std::vector<std::int64_t>& batches) {
  std::vector<Turn> found;
  for (const std::int64_t images : batches) found.push_back(plan.next(images));
  return found;
}

TEST(RecordingPlan, warms_up_three_times_records_once_and_replays) {
  RecordingPlan plan(16);
  EXPECT_THAT(turns(plan, {16, 16, 16, 16, 16, 16}),
              testing::ElementsAre(Turn::warm_up, Turn::warm_up, Turn::warm_up, Turn::record,
                                   Turn::replay, Turn::replay));
}

TEST(RecordingPlan, counts_each_size_for_itself) {
  RecordingPlan plan(8);
  EXPECT_THAT(turns(plan, {8, 3, 8, 3, 8, 3, 8, 3, 8, 3}),
              testing::ElementsAre(Turn::warm_up, Turn::warm_up, Turn::warm_up, Turn::warm_up,
                                   Turn::warm_up, Turn::warm_up, Turn::record, Turn::record,
                                   Turn::replay, Turn::replay));
}

TEST(RecordingPlan, makes_no_more_graphs_than_it_may_and_keeps_one_for_full_batches) {
  RecordingPlan plan(64);
  std::vector<std::int64_t> sizes;
  for (std::int64_t images = 1; images <= 20; ++images) sizes.push_back(images);
  int recorded = 0, left = 0;
  for (int pass = 0; pass < 6; ++pass) {
    for (const std::int64_t images : sizes) {
      const Turn turn = plan.next(images);
      recorded += turn == Turn::record ? 1 : 0;
      left += turn == Turn::as_it_is ? 1 : 0;
    }
  }
  const int others = static_cast<int>(RecordingPlan::most_sizes) - 1;
  EXPECT_EQ(recorded, others);
  EXPECT_EQ(left, 6 * (20 - others));
  EXPECT_EQ(plan.next(64), Turn::warm_up)
      << "full batches come last and have their graph all the same";
}

TEST(StaticStep, keeps_copies_at_one_place_and_shares_them_between_equal_passes) {
  StaticStep step;
  const auto batch = [](float value) {
    const torch::Tensor images = torch::full({2, 3}, value);
    return StepBatch{images, images, torch::full({2}, static_cast<std::int64_t>(value))};
  };
  std::vector<const void*> places;
  for (const float value : {1.0F, 2.0F}) {
    StepBatch given = batch(value);
    step.keep(given);
    given.first.zero_();
    step.run([&](const StepBatch& kept) {
      EXPECT_TRUE(kept.second.is_same(kept.first));
      places.push_back(kept.first.const_data_ptr());
      return kept.first.sum() + kept.targets.sum();
    });
    EXPECT_EQ(step.result().item<float>(), 8.0F * value);
  }
  EXPECT_EQ(places[0], places[1]);
}

TEST(StaticStep, keeps_images_of_two_passes_apart_also_when_they_become_one) {
  StaticStep step;
  const torch::Tensor one = torch::ones({2, 3}), two = torch::full({2, 3}, 2.0);
  const torch::Tensor targets = torch::zeros({2}, torch::kInt64);
  const auto sums = [](const StepBatch& kept) { return kept.first.sum() + 10 * kept.second.sum(); };
  step.keep({one, two, targets});
  step.run(sums);
  EXPECT_EQ(step.result().item<float>(), 6.0F + 120.0F);
  step.keep({two, two, targets});
  step.run(sums);
  EXPECT_EQ(step.result().item<float>(), 12.0F + 120.0F);
}

TEST(StaticStep, gives_a_result_that_the_next_call_leaves_alone) {
  StaticStep step;
  const torch::Tensor images = torch::ones({2, 3}), targets = torch::zeros({2}, torch::kInt64);
  const auto sum = [](const StepBatch& kept) { return kept.first.sum(); };
  step.keep({images, images, targets});
  step.run(sum);
  const torch::Tensor first = step.result();
  images.zero_();
  step.keep({images, images, targets});
  step.run(sum);
  EXPECT_EQ(first.item<float>(), 6.0F);
  EXPECT_EQ(step.result().item<float>(), 0.0F);
}

}  // namespace
}  // namespace harmofl
