// SPDX-License-Identifier: Apache-2.0
// A run gives the same numbers on any number of ranks as on one rank without MPI.
#include "fl/rank_invariance.hpp"

#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
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

}  // namespace
}  // namespace harmofl
