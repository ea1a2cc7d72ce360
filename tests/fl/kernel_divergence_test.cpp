// SPDX-License-Identifier: Apache-2.0
// Whole rounds by own kernels beside those by libtorch's: they part no faster than those of
// libtorch's two memory formats part from one another.
//
// Rounding that differs grows over the rounds, by training itself and where it changes the sign of
// an activation; by how much, depends on the data, so the medians over federations are compared.
// While errors add up, the distance between two ways with errors a and b has the mean square a^2 +
// b^2. An own kernel's error is at most m times that of libtorch's (tests/kernels/rounding), so its
// distance from libtorch is at most sqrt((1 + m^2) / 2) times that between libtorch's formats.
#include "fl/small_federation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace harmofl {
namespace {

using test::small_options;
using test::SmallFederation;

constexpr std::int64_t rounds = 3;
constexpr double error_multiple =
    2.0 * 5.0 / 3.0;  ///< m: twice the growth by Winograd's transforms.
constexpr std::uint64_t first_seed = 7000;
constexpr std::uint64_t seeds = 10;

using Weights = std::array<torch::Tensor, rounds + 1>;  ///< At the start, then after each round.

/// All parameters in PyTorch's order of elements, which no memory format changes.
torch::Tensor parameters_of(const ParameterVector& state) {
  std::vector<torch::Tensor> all;
  for (const Slot& slot : state.slots()) {
    if (slot.role != Role::parameter) continue;
    all.push_back(
        ParameterVector::view(state.state(), slot).to(torch::kFloat64).contiguous().flatten());
  }
  return at::cat(all);
}

Weights train(SimulationOptions options, const SmallFederation& sites, Kernels kernels,
              bool channels_last) {
  options.model.kernels = kernels;
  options.model.channels_last = channels_last;
  const Communicator comm = Communicator::serial();
  Simulation simulation(comm, options, sites.federation(), sites.loader(), torch::kCPU, nullptr);
  Weights weights{parameters_of(simulation.model().state())};
  for (std::size_t round = 1; round <= rounds; ++round) {
    simulation.run_round();
    weights[round] = parameters_of(simulation.model().state());
  }
  return weights;
}

double distance(const Weights& a, const Weights& b, std::size_t round) {
  const double update = (b[round] - b[0]).norm().item<double>();
  return (a[round] - b[round]).norm().item<double>() / update;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2.0;
}

/// A U-Net of a width that Winograd's convolutions take.
SimulationOptions options_for(std::uint64_t seed, OptimizerKind optimizer) {
  SimulationOptions options = small_options();
  options.seed = seed;
  options.rounds = rounds;
  options.evaluate_every = rounds + 1;
  options.model.network = {"unet", 16, NormKind::batch_stateless};
  options.local.optimizer.kind = optimizer;
  options.local.optimizer.lr = optimizer == OptimizerKind::adam ? 0.001 : 0.05;
  return options;
}

void expect_no_faster(OptimizerKind optimizer, const std::string& algorithm) {
  std::array<std::vector<double>, rounds + 1> own, formats;
  for (std::uint64_t seed = first_seed; seed < first_seed + seeds; ++seed) {
    SimulationOptions options = options_for(seed, optimizer);
    options.algorithm = algorithm;
    if (algorithm == "fedavg") {
      options.local.perturbation.alpha = 0.0;
      options.model.amplitude.band = Band::off;
    }
    const SmallFederation sites = test::unequal_sites(2, seed);
    const Weights rows = train(options, sites, Kernels::libtorch, false);
    const Weights last = train(options, sites, Kernels::libtorch, true);
    const Weights ours = train(options, sites, Kernels::own, true);
    for (std::size_t round = 1; round <= rounds; ++round) {
      own[round].push_back(distance(ours, rows, round));
      formats[round].push_back(distance(last, rows, round));
    }
  }
  const double most = std::sqrt((1.0 + error_multiple * error_multiple) / 2.0);
  for (std::size_t round = 1; round <= rounds; ++round) {
    const double ours = median(own[round]), theirs = median(formats[round]);
    std::printf("round %zu: own %.2e (%.1e to %.1e), formats %.2e (%.1e to %.1e), %.2f of %.2f\n",
                round, ours, *std::ranges::min_element(own[round]),
                *std::ranges::max_element(own[round]), theirs,
                *std::ranges::min_element(formats[round]),
                *std::ranges::max_element(formats[round]), ours / theirs, most);
    EXPECT_GT(ours, 0.0) << "the kernels were not used";
    EXPECT_LE(ours, most * theirs) << "round " << round;
  }
}

TEST(KernelDivergence, of_fedavg_with_sgd_is_that_of_memory_formats) {
  expect_no_faster(OptimizerKind::sgd, "fedavg");
}

TEST(KernelDivergence, of_harmofl_with_adam_is_that_of_memory_formats) {
  expect_no_faster(OptimizerKind::adam, "harmofl");
}

}  // namespace
}  // namespace harmofl
