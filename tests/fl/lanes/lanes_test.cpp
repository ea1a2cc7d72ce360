// SPDX-License-Identifier: Apache-2.0
#include "fl/lanes/lanes.hpp"

#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <barrier>
#include <memory>
#include <numeric>
#include <set>
#include <vector>

namespace harmofl {
namespace {

const ProblemShape shape{Task::segmentation, 2, 3, 16, 16};

ModelOptions model_options() {
  ModelOptions options;
  options.network = {"unet", 2, NormKind::batch};
  options.amplitude.band = Band::low;
  options.amplitude.low_fraction = 0.1;
  return options;
}

LocalOptions local_options() {
  LocalOptions options;
  options.perturbation.alpha = 0.05;
  return options;
}

/// A rank's own parts, and lanes on top of them.
struct LaneOwner {
  explicit LaneOwner(std::int64_t count)
      : lanes(count, {model, *algorithm, trainer}, [this] { return make(); }) {}

  LaneParts make() {
    ++made;
    LaneParts parts;
    parts.model = std::make_unique<Model>(model_options(), shape, 7, torch::kCPU);
    parts.algorithm = make_algorithm("fedavg", {});
    parts.trainer =
        std::make_unique<LocalTrainer>(*parts.model, *parts.algorithm, trainer.options());
    return parts;
  }

  int made = 0;
  Model model{model_options(), shape, 7, torch::kCPU};
  std::unique_ptr<Algorithm> algorithm = make_algorithm("fedavg", {});
  LocalTrainer trainer{model, *algorithm, local_options()};
  Lanes lanes;
};

std::vector<std::size_t> items(std::size_t count) {
  std::vector<std::size_t> all(count);
  std::iota(all.begin(), all.end(), std::size_t{0});
  return all;
}

TEST(LaneParts, are_made_when_as_many_clients_need_them_and_kept) {
  LaneOwner rank(3);
  const auto share_out = [&](std::size_t count) {
    rank.lanes.share_out(items(count), TakenIn::as_they_come,
                         {.work = [](std::int64_t, std::size_t) {}});
  };
  share_out(1);
  EXPECT_EQ(rank.made, 0);
  share_out(2);
  EXPECT_EQ(rank.made, 1);
  share_out(9);
  EXPECT_EQ(rank.made, 2);
  share_out(9);
  EXPECT_EQ(rank.made, 2);
  EXPECT_EQ(rank.lanes.busy(9), 3);
  EXPECT_EQ(rank.lanes.busy(0), 1);
}

TEST(Lanes, are_each_other_models_and_compute_with_the_threads_of_the_caller) {
  LaneOwner rank(3);
  const int before = at::get_num_threads();
  for (const int threads : {2, 1}) {
    at::set_num_threads(threads);
    std::barrier all(3);  // each lane gets one item
    std::vector<int> seen(3, 0);
    std::vector<Model*> models(3, nullptr);
    rank.lanes.share_out(items(3), TakenIn::as_they_come,
                         {.work = [&](std::int64_t lane, std::size_t i) {
                           all.arrive_and_wait();
                           seen[i] = at::get_num_threads();
                           models[i] = &rank.lanes.at(lane).model;
                         }});
    EXPECT_THAT(seen, testing::Each(threads));
    EXPECT_EQ(std::set<Model*>(models.begin(), models.end()).size(), 3U);
  }
  at::set_num_threads(before);
}

TEST(Lanes, know_the_amplitude_that_the_rank_has_frozen_since) {
  LaneOwner rank(2);
  const torch::Tensor images = torch::rand({4, 3, 16, 16});
  const auto normalised = [&] {
    std::barrier both(2);
    std::vector<torch::Tensor> found(2);
    rank.lanes.share_out(items(2), TakenIn::as_they_come,
                         {.work = [&](std::int64_t lane, std::size_t) {
                           both.arrive_and_wait();
                           found[static_cast<std::size_t>(lane)] =
                               rank.lanes.at(lane).model.amplitude().normalize(images);
                         }});
    return found;
  };
  EXPECT_TRUE(test::same_bits(normalised()[1], images)) << "nothing is known yet";
  rank.model.amplitude().observe(images * 0.5 + 0.1);
  rank.model.amplitude().freeze();
  const auto found = normalised();
  EXPECT_FALSE(test::same_bits(found[0], images));
  EXPECT_TRUE(test::same_bits(found[1], found[0]));
}

TEST(Lanes, take_so_much_memory_each) {
  const LaneOwner rank(1);
  const std::int64_t state = rank.model.state().state().numel();
  const std::int64_t parameters = rank.model.parameter_count();
  EXPECT_EQ(lane_bytes(rank.model, local_options()), 4 * (state + 2 * parameters));
  EXPECT_EQ(lane_bytes(rank.model, LocalOptions()), 4 * (state + parameters));
}

}  // namespace
}  // namespace harmofl
