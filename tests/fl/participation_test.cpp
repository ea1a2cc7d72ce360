// SPDX-License-Identifier: Apache-2.0
// Rounds in which not everyone takes part, clients that move between ranks, state beyond memory:
// none of it depends on how many ranks there are.
#include "fl/rank_invariance.hpp"
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using test::expect_same;
using test::run;
using test::same_bits;
using test::serial_ending;
using test::SharedFolder;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

/// A small network, so that many clients can be trained; momentum, so that clients keep state.
SimulationOptions many_rounds() {
  SimulationOptions options = small_options();
  options.rounds = 5;
  options.cohort.size = 3;
  return options;
}

/// Runs all rounds and counts moves; looks that data and state are with the owner.
std::int64_t total_moves(const SimulationOptions& options, const SmallFederation& small) {
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  std::int64_t moves = 0;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    const std::vector<Rank> before = simulation.placement();
    simulation.run_round();
    for (std::size_t i = 0; i < before.size(); ++i) {
      moves += before[i] == simulation.placement()[i] ? 0 : 1;
    }
    for (ClientId id{0}; id.position() < before.size(); ++id) {
      EXPECT_EQ(simulation.hosting().own().contains(id),
                simulation.placement()[id.position()] == world().rank());
    }
  }
  return moves;
}

TEST(Participation, of_a_sampled_cohort_gives_the_same_bits_on_any_number_of_ranks) {
  const SmallFederation small = unequal_sites(8);
  SimulationOptions options = many_rounds();
  for (const Sampling sampling : {Sampling::uniform, Sampling::weighted, Sampling::fixed}) {
    options.cohort.sampling = sampling;
    SCOPED_TRACE(static_cast<int>(sampling));
    expect_same(run(world(), options, small), serial_ending(options, small));
  }
}

TEST(Participation, moves_clients_and_what_they_keep_without_a_change_of_bits) {
  const SmallFederation small = unequal_sites(8);
  SimulationOptions options = many_rounds();
  const std::int64_t moves = total_moves(options, small);
  if (world().size() == 1) {
    EXPECT_EQ(moves, 0);
  }
  if (world().size() == 2) {
    EXPECT_GT(moves, 0);
  }
  options.placement = PlacementCosts::measured;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(Participation, reads_the_samples_of_small_clients_once_a_rank) {
  const SmallFederation small = unequal_sites(8);
  std::map<std::string, int> reads;
  const auto load = [&](const Member& member) {
    ++reads[member.site];
    return small.loader()(member);
  };
  SimulationOptions options = many_rounds();
  options.rounds = 40;
  Simulation simulation(world(), options, small.federation(), load, torch::kCPU, nullptr);
  const std::size_t at_first = reads.size();
  simulation.run();
  for (const auto& [site, times] : reads) EXPECT_EQ(times, 1) << site;
  const bool moved = world().any(reads.size() > at_first);
  if (world().size() == 1) {
    EXPECT_FALSE(moved);
  }
  if (world().size() == 2) {
    EXPECT_TRUE(moved);
  }
}

TEST(Participation, of_unreliable_devices_loses_the_same_updates_on_any_number_of_ranks) {
  const SmallFederation small = unequal_sites(8);
  SimulationOptions options = many_rounds();
  options.algorithm = "scaffold";
  options.local.optimizer = {OptimizerKind::sgd, 0.02, 0.0, 0.0};
  options.model.amplitude.band = Band::off;
  options.cohort.over_sampling = 1.5;
  options.fleet.speed = "lognormal:0,1";
  options.fleet.bandwidth = "uniform:1,10";
  options.fleet.availability = "0.8";
  options.fleet.sample_time_s = 0.1;
  options.fleet.deadline_s = 1.0;
  options.fleet.drop_before = 0.1;
  options.fleet.drop_after = 0.3;
  expect_same(run(world(), options, small), serial_ending(options, small));
}

TEST(Participation, of_nobody_leaves_the_model_as_it_is) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = small_options();
  options.fleet.drop_before = 1.0;
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  const torch::Tensor before = simulation.model().state().state().clone();
  simulation.run();
  EXPECT_TRUE(same_bits(simulation.model().state().state(), before));
  EXPECT_TRUE(simulation.trained().empty());
}

TEST(Participation, goes_on_from_a_checkpoint_on_other_ranks_as_if_never_stopped) {
  const SmallFederation small = unequal_sites(8);
  const SharedFolder folder;
  SimulationOptions options = many_rounds();
  options.save_every = 0;
  const auto run_part = [&](const Communicator& comm, std::int64_t rounds, bool resume) {
    std::optional<RunFolder> run_folder;
    if (comm.is_root()) run_folder.emplace(folder / "run", resume);
    options.rounds = rounds;
    Simulation simulation(comm, options, small.federation(), small.loader(), torch::kCPU,
                          run_folder ? &*run_folder : nullptr);
    if (resume) simulation.resume(open_checkpoint(folder / "run/checkpoint.h5", world()));
    simulation.run();
    return test::ending_of(simulation);
  };
  if (world().is_root()) run_part(Communicator::serial(), 2, false);
  world().barrier();
  const test::Ending parts = run_part(world(), 5, true);
  expect_same(parts, serial_ending(options, small));
}

TEST(StateBeyondMemory, changes_no_bit) {
  const SmallFederation small = unequal_sites(5);
  SimulationOptions options = small_options();
  const SharedFolder folder;
  options.state = {1, folder / ""};  // one byte: every state goes to the file
  const test::Ending spilled = run(world(), options, small);
  options.state = {};
  expect_same(spilled, serial_ending(options, small));
}

/// Clients of which the last holds values that no float32 network survives.
SmallFederation with_a_broken_client(std::int64_t sites) {
  SmallFederation small = unequal_sites(sites);
  for (Samples& samples : small.clients.back().splits) {
    samples.images = samples.images.to(torch::kFloat32).div(255.0).mul(3e38);
    samples.intensity_scale = 1.0;
  }
  return small;
}

SimulationOptions one_round(NonFinite nonfinite) {
  SimulationOptions options = small_options();
  options.rounds = 1;
  options.evaluate_every = 0;
  options.model.amplitude.band = Band::off;
  options.nonfinite = nonfinite;
  return options;
}

TEST(NonFinite, updates_are_left_out_on_any_number_of_ranks) {
  const SmallFederation broken = with_a_broken_client(4);
  const SimulationOptions options = one_round(NonFinite::leave_out);
  expect_same(run(world(), options, broken), serial_ending(options, broken));
}

TEST(NonFinite, updates_left_out_give_the_model_of_the_other_clients) {
  const SmallFederation broken = with_a_broken_client(4);
  const SimulationOptions options = one_round(NonFinite::leave_out);
  const test::Ending left_out = run(world(), options, broken);
  SmallFederation others = unequal_sites(4);
  others.clients.pop_back();
  const test::Ending without = serial_ending(options, others);
  EXPECT_LT(test::distance(left_out.state, without.state), 1e-5);
  EXPECT_TRUE(at::isfinite(left_out.state).all().item<bool>());
}

TEST(NonFinite, updates_stop_a_run_that_does_not_allow_them_and_name_the_client) {
  if (!world().is_root()) return;  // one rank that fails ends all others: serially here
  const SmallFederation broken = with_a_broken_client(2);
  const std::string message =
      test::error_of<RankFailure>([&] { test::run_serially(one_round(NonFinite::stop), broken); });
  EXPECT_THAT(message,
              testing::AllOf(testing::HasSubstr(broken.clients.back().site),
                             testing::HasSubstr("NaN"), testing::HasSubstr("--train.nonfinite")));
}

TEST(NonFinite, policy_changes_nothing_while_everyone_is_finite) {
  const SmallFederation small = unequal_sites(3);
  expect_same(run(world(), one_round(NonFinite::leave_out), small),
              serial_ending(one_round(NonFinite::stop), small));
}

}  // namespace
}  // namespace harmofl
