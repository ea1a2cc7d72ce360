// SPDX-License-Identifier: Apache-2.0
#include "model/device/recorder.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

TEST(Recorder, does_the_work_once_for_every_batch_where_nothing_is_recorded) {
  const auto recorder = make_recorder(/*graphs=*/false, torch::kCPU, /*batch_size=*/2);
  int calls = 0;
  for (const std::int64_t size : {2, 2, 2, 2, 2, 1}) {
    const torch::Tensor images = torch::ones({size, 3});
    const torch::Tensor targets = torch::ones({size});
    const torch::Tensor sum = recorder->run({images, images, targets}, [&](const StepBatch& batch) {
      ++calls;
      return batch.first.sum() + batch.targets.sum();
    });
    EXPECT_EQ(sum.item<double>(), 4.0 * static_cast<double>(size));
  }
  EXPECT_EQ(calls, 6);
}

TEST(Recorder, refuses_graphs_on_the_cpu) {
  const std::string message =
      test::user_error_of([] { make_recorder(/*graphs=*/true, torch::kCPU, 2); });
  EXPECT_THAT(message, testing::HasSubstr("device.graphs = true"));
  EXPECT_THAT(message, testing::HasSubstr("--device.graphs false"));
}

}  // namespace
}  // namespace harmofl
