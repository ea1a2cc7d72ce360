// SPDX-License-Identifier: Apache-2.0
#include "fl/gpu_needs.hpp"

#include "fl/small_federation.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

/// Three sites, U-Net, no moments and no perturbation: all that is kept are sums.
SimulationOptions sums_alone() {
  SimulationOptions options = test::small_options();
  options.algorithm = "fedavg";
  options.reduction = Reduction::fast;
  options.model.amplitude.band = Band::off;
  options.model.network.norm = NormKind::batch_stateless;
  options.local.optimizer = {OptimizerKind::sgd, 0.05, 0.0, 0.0};
  options.local.perturbation.alpha = 0.0;
  return options;
}

/// Bytes of the count of steps that may stand with every client.
constexpr std::int64_t step_count_bytes = 2 * 4;

std::int64_t values_of(const SimulationOptions& options, const Federation& federation) {
  return Model(options.model, federation.shape, 0, torch::kCPU).state().state().numel();
}

TEST(GpuNeeds, are_copies_of_the_model_and_sums_where_clients_keep_nothing) {
  const Federation federation = test::unequal_sites(3).federation();
  const SimulationOptions options = sums_alone();
  const GpuNeeds needs = gpu_needs(options, federation, 1, torch::kCPU);
  const std::int64_t n = values_of(options, federation);
  EXPECT_EQ(needs.step_bytes, 0) << "of a GPU, and here is none";
  EXPECT_EQ(needs.kept_bytes, 5 * 4 * n + 3 * step_count_bytes);
  EXPECT_EQ(sum_bytes(n, Reduction::exact), 4 * 4 * n + 5 * 8 * n);
}

TEST(GpuNeeds, grow_with_what_the_clients_of_a_rank_keep) {
  const Federation federation = test::unequal_sites(5).federation();
  SimulationOptions options = sums_alone();
  options.local.optimizer.momentum = 0.9;  // a buffer of the size of the parameters each
  const std::int64_t n = values_of(options, federation);
  const auto kept = [&](std::int64_t ranks) {
    return gpu_needs(options, federation, ranks, torch::kCPU).kept_bytes - 5 * 4 * n;
  };
  EXPECT_EQ(kept(1), 5 * (4 * n + step_count_bytes));
  EXPECT_EQ(kept(2), 3 * (4 * n + step_count_bytes)) << "the larger part";
  EXPECT_EQ(kept(5), 4 * n + step_count_bytes);
  options.state.memory_bytes = 1000;
  EXPECT_EQ(kept(1), 1000) << "what is beyond run.state_memory lies in a file";
}

TEST(GpuNeeds, tries_the_step_of_every_method) {
  const Federation federation = test::unequal_sites(2).federation();
  for (const std::string& method : algorithm_names()) {
    SimulationOptions options = test::small_options();
    options.algorithm = method;
    options.model.amplitude.band = Band::off;
    options.local.loss.weigh_by_frequency = true;
    options.local.graphs = true;
    options.local.local_steps = 7;
    EXPECT_GT(gpu_needs(options, federation, 1, torch::kCPU).kept_bytes, 0) << method;
  }
}

}  // namespace
}  // namespace harmofl
