// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/landscape.hpp"
#include "fl/small_federation.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::world;

constexpr std::int64_t points = 5;  // 2 and 4 ranks get unequal shares

Samples training_set() { return test::unequal_sites(1).clients.front().split(Split::train); }

Model model_of() {
  ModelOptions options;
  options.network = {"unet", 2, NormKind::group};
  return {options, ProblemShape{Task::segmentation, 2, 3, 32, 32}, 1, torch::kCPU};
}

TEST(LandscapeRanks, every_rank_gets_all_points_with_the_bits_of_one_rank) {
  Model model = model_of();
  Landscape landscape(model, LandscapeOptions{.batch_size = 4}, {training_set()});
  const torch::Tensor direction = random_direction(model.state(), 0, 0);
  const auto offset = [&](std::int64_t i) { return direction * (0.01 * static_cast<double>(i)); };
  const auto shared = landscape.at_points(points, offset, world());
  const auto alone = landscape.at_points(points, offset, Communicator::serial());
  ASSERT_EQ(shared.size(), alone.size());
  for (std::size_t i = 0; i < alone.size(); ++i) {
    EXPECT_EQ(shared[i].loss, alone[i].loss) << i;
    EXPECT_EQ(shared[i].metric, alone[i].metric) << i;
  }
}

TEST(LandscapeRanks, an_error_at_one_point_is_every_ranks) {
  Model model = model_of();
  Landscape landscape(model, LandscapeOptions{.batch_size = 4}, {training_set()});
  const auto offset = [&](std::int64_t i) -> torch::Tensor {
    if (i == points - 1) throw UserError("no such point");
    return torch::zeros({model.parameter_count()});
  };
  EXPECT_THROW(landscape.at_points(points, offset, world()), UserError);
}

}  // namespace
}  // namespace harmofl
