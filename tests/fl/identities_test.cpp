// SPDX-License-Identifier: Apache-2.0
// What must come out alike, by the definitions of the methods.
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::identical_sites;
using test::run;
using test::same_bits;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

SimulationOptions plain_options() {
  SimulationOptions options = small_options();
  options.local.perturbation.alpha = 0.0;
  options.model.amplitude.band = Band::off;
  return options;
}

/// Every client does the same: no random numbers, which are a client's own.
SimulationOptions undrawn_options() {
  SimulationOptions options = small_options();
  options.weights = Weighting::uniform;
  options.local.shuffle = false;
  options.local.batches.augment = false;
  return options;
}

TEST(Identities, harmofl_without_both_halves_is_fedavg) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain_options();
  const torch::Tensor harmofl = run(world(), options, small).state;
  options.algorithm = "fedavg";
  EXPECT_TRUE(same_bits(run(world(), options, small).state, harmofl));
}

TEST(Identities, each_half_of_harmofl_alone_is_not_fedavg) {
  const SmallFederation small = unequal_sites(3);
  const SimulationOptions plain = plain_options();
  const torch::Tensor fedavg = run(world(), plain, small).state;
  SimulationOptions perturbed = plain;
  perturbed.local.perturbation.alpha = 0.05;
  EXPECT_FALSE(same_bits(run(world(), perturbed, small).state, fedavg));
  SimulationOptions normalised = plain;
  normalised.model.amplitude.band = Band::low;
  const torch::Tensor state = run(world(), normalised, small).state;
  EXPECT_FALSE(same_bits(state.narrow(0, 0, fedavg.numel()), fedavg));
}

TEST(Identities, truncation_weighs_all_clients_alike) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.truncate = true;
  options.weights = Weighting::samples;
  const torch::Tensor by_samples = run(world(), options, small).state;
  options.weights = Weighting::uniform;
  EXPECT_TRUE(same_bits(run(world(), options, small).state, by_samples));
}

TEST(Identities, two_identical_clients_are_one_client_to_the_bit) {
  // w/2 + w/2 = w for every float.
  SimulationOptions options = undrawn_options();
  options.reduction = Reduction::fast;
  EXPECT_TRUE(same_bits(run(world(), options, identical_sites(2)).state,
                        run(world(), options, identical_sites(1)).state));
}

TEST(Identities, three_identical_clients_are_one_client_up_to_rounding) {
  /// w/3 + w/3 + w/3 is w but for the last bit, which three rounds of training enlarge.
  constexpr double tolerance = 1e-5;
  SimulationOptions options = undrawn_options();
  for (const Reduction reduction : {Reduction::fast, Reduction::exact}) {
    options.reduction = reduction;
    const torch::Tensor one = run(world(), options, identical_sites(1)).state;
    const torch::Tensor three = run(world(), options, identical_sites(3)).state;
    EXPECT_LT(test::distance(three, one), tolerance * one.abs().max().item<double>());
  }
}

TEST(Identities, a_run_from_given_weights_is_that_of_the_model_they_came_from) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = undrawn_options();  // the seed makes the first model alone
  const torch::Tensor expected = run(world(), options, small).state;
  const Model first(options.model, small.federation().shape, options.seed, torch::kCPU);
  options.seed += 1;
  EXPECT_FALSE(same_bits(run(world(), options, small).state, expected));
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  simulation.start_from(first.state().export_tensors(), "first.h5");
  simulation.run();
  EXPECT_TRUE(same_bits(simulation.model().state().state(), expected));
}

TEST(Identities, training_lowers_the_loss) {
  SimulationOptions options = small_options();
  const SmallFederation small = unequal_sites(3);
  options.rounds = 1;
  const auto first = run(world(), options, small).scores;
  options.rounds = 8;
  const auto last = run(world(), options, small).scores;
  if (!world().is_root()) return;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (first[i].split != Split::train) continue;
    EXPECT_LT(last[i].values.at("loss"), first[i].values.at("loss")) << "client " << i;
  }
}

}  // namespace
}  // namespace harmofl
