// SPDX-License-Identifier: Apache-2.0
// A run gives the same numbers on any number of ranks as on one rank without MPI.
#include "fl/rank_invariance.hpp"

#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::bytes_of;
using test::Ending;
using test::expect_same;
using test::run;
using test::same_bits;
using test::serial_ending;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

TEST(RankInvariance, holds_to_the_bit_for_exact_sums_with_every_norm) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
    options.model.network.norm = norm;
    SCOPED_TRACE(static_cast<int>(norm));
    expect_same(run(world(), options, small), serial_ending(options, small));
  }
}

TEST(RankInvariance, holds_for_adam_truncation_and_several_local_epochs) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.local.optimizer = {OptimizerKind::adam, 1e-3, 0.9, 1e-4};
  options.local.local_epochs = 2;
  options.truncate = true;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_for_an_amplitude_that_moves_in_every_pass) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.model.amplitude.update_every_pass = true;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_for_class_weights_of_all_training_images) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.local.loss.weigh_by_frequency = true;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_with_channels_last) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.model.channels_last = true;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_with_more_ranks_than_clients) {
  const SmallFederation small = unequal_sites(1);
  const SimulationOptions options = small_options();
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_with_more_clients_than_ranks) {
  const SmallFederation small = unequal_sites(7);
  SimulationOptions options = small_options();
  options.rounds = 2;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(RankInvariance, holds_up_to_rounding_for_fast_sums) {
  /// Sums in another order differ by one part in 10^7 a round, which three rounds enlarge.
  constexpr double tolerance = 1e-5;
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.reduction = Reduction::fast;
  const Ending parallel = run(world(), options, small);
  const Ending serial = serial_ending(options, small);
  const double scale = serial.state.abs().max().item<double>();
  EXPECT_LT(test::distance(parallel.state, serial.state), tolerance * scale);
  const std::string own = bytes_of(parallel.state);
  EXPECT_THAT(world().all_gather(own),
              testing::Each(testing::Truly([&](const std::string& other) { return other == own; })))
      << "every rank must hold the same model";
}

TEST(RankInvariance, would_notice_another_seed) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  const Ending one = serial_ending(options, small);
  options.seed += 1;
  EXPECT_FALSE(same_bits(one.state, serial_ending(options, small).state));
}

TEST(SimulationPlacement, is_the_same_on_every_rank) {
  const SmallFederation small = unequal_sites(3);
  const Simulation simulation(world(), small_options(), small.federation(), small.loader(),
                              torch::kCPU, nullptr);
  const std::vector<Rank> expected = place({12, 6, 4}, world().size());
  EXPECT_EQ(simulation.placement(), expected);
}

/// One client for all ranks: perturbed steps, momentum, batches of 5, 5 and 2 images.
SimulationOptions pooled_options(std::int64_t pieces) {
  SimulationOptions options = small_options();
  options.algorithm = "fedsam";
  options.model.amplitude.band = Band::off;
  options.model.network.norm = NormKind::group;
  options.local.batches.batch_size = 5;
  options.local.pieces = pieces;
  return options;
}

TEST(Pieces, of_batches_give_the_same_bits_on_any_number_of_ranks) {
  const SmallFederation small = unequal_sites(1);
  for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adam}) {
    SimulationOptions options = pooled_options(4);
    options.local.optimizer = {optimizer, 0.01, 0.9, 1e-4};
    options.local.local_steps = 2;
    expect_same(run(world(), options, small), serial_ending(options, small));
  }
}

TEST(Pieces, average_to_the_gradient_of_the_batch) {
  const SmallFederation small = unequal_sites(1);
  SimulationOptions options = pooled_options(1);
  options.rounds = 1;
  options.local.local_steps = 1;  // more of them would enlarge what rounding makes of the first
  options.local.perturbation.alpha = 0.0;
  options.local.loss = LossKind::cross_entropy;
  const Ending whole = run(world(), options, small);
  options.local.pieces = 3;
  const Ending pieces = run(world(), options, small);
  const Model first(options.model, small.federation().shape, options.seed, torch::kCPU);
  const double moved = test::distance(whole.state, first.state().state());
  EXPECT_LT(test::distance(pieces.state, whole.state), 1e-4 * moved);
  if (!world().is_root()) return;
  EXPECT_NEAR(pieces.scores.front().values.at("loss"), whole.scores.front().values.at("loss"),
              1e-5);
}

TEST(Pieces, are_refused_where_ranks_would_part) {
  const auto refusal = [](const SimulationOptions& options, std::int64_t sites) {
    const SmallFederation small = unequal_sites(sites);
    return test::user_error_of([&] { run(world(), options, small); });
  };
  EXPECT_THAT(refusal(pooled_options(2), 2), testing::HasSubstr("there are 2"));
  SimulationOptions options = pooled_options(2);
  options.model.network.norm = NormKind::batch;
  EXPECT_THAT(refusal(options, 1), testing::HasSubstr("running statistics of its own"));
  options = pooled_options(2);
  options.model.amplitude.band = Band::dc;
  EXPECT_THAT(refusal(options, 1), testing::HasSubstr("no running amplitude"));
  options = pooled_options(2);
  options.algorithm = "fedprox";
  EXPECT_THAT(refusal(options, 1), testing::HasSubstr("the loss alone"));
}

}  // namespace
}  // namespace harmofl
