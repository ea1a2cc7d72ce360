// SPDX-License-Identifier: Apache-2.0
// What a run hashes of its rounds: the same on any number of ranks and lanes, after a resume, and
// nothing that changes the run.
#include "fl/record/fingerprint_log.hpp"

#include "fl/rank_invariance.hpp"
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "model/fingerprint.hpp"
#include "model/tensors.hpp"
#include "support/file_content.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <filesystem>

namespace harmofl {
namespace {

using test::content_of;
using test::same_bits;
using test::SharedFolder;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;

SimulationOptions hashed(SimulationOptions options, std::int64_t rounds = 2) {
  options.local.fingerprints = true;
  options.rounds = rounds;
  options.evaluate_every = 0;
  return options;
}

/// What each round of a run hashes.
std::vector<RoundFingerprints> rounds_of(const Communicator& comm, const SimulationOptions& options,
                                         const SmallFederation& small) {
  Simulation simulation(comm, options, small.federation(), small.loader(), torch::kCPU, nullptr);
  std::vector<RoundFingerprints> rounds;
  for (std::int64_t round = 0; round < options.rounds; ++round) {
    simulation.run_round();
    if (comm.is_root()) rounds.push_back(simulation.last_fingerprints());
  }
  return rounds;
}

void expect_any_layout(const SimulationOptions& options, const SmallFederation& small) {
  SimulationOptions in_lanes = options;
  in_lanes.lanes = 3;
  const auto parallel = rounds_of(world(), options, small);
  const auto laned = rounds_of(world(), in_lanes, small);
  if (!world().is_root()) return;
  const auto serial = rounds_of(Communicator::serial(), options, small);
  EXPECT_EQ(parallel, serial);
  EXPECT_EQ(laned, serial);
  EXPECT_THAT(serial, Not(IsEmpty()));
}

TEST(FingerprintLog, is_the_same_on_any_number_of_ranks_and_lanes) {
  const SmallFederation small = unequal_sites(5);
  for (const char* method : {"harmofl", "scaffold", "fedadam", "fedbn", "ditto"}) {
    SCOPED_TRACE(method);
    SimulationOptions options = hashed(small_options());
    options.algorithm = method;
    options.local.optimizer.momentum = 0.0;
    expect_any_layout(options, small);
  }
  SimulationOptions cyclic = hashed(small_options(), 1);
  cyclic.algorithm = "cyclic";
  cyclic.model.amplitude.band = Band::off;
  expect_any_layout(cyclic, small);
  SimulationOptions sampled = hashed(small_options(), 3);
  sampled.cohort.size = 3;
  sampled.fleet.drop_after = 0.3;
  expect_any_layout(sampled, small);
}

TEST(FingerprintLog, holds_the_models_of_the_round_and_of_those_around_it) {
  const SmallFederation small = unequal_sites(3);
  const SimulationOptions options = hashed(small_options(), 3);
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  const auto hashes_now = [&] {
    return fingerprints(simulation.model().state().state(), simulation.model().state().slots());
  };
  std::vector<std::string> before = hashes_now();
  for (std::int64_t round = 0; round < 3; ++round) {
    simulation.run_round();
    const std::vector<std::string> after = hashes_now();
    if (!world().is_root()) continue;
    const RoundFingerprints& found = simulation.last_fingerprints();
    EXPECT_EQ(found.round, round);
    EXPECT_EQ(found.start, before);
    EXPECT_EQ(found.model, after);
    EXPECT_THAT(found.average, IsEmpty()) << "the server's step leaves it as it is";
    ASSERT_EQ(found.clients.size(), 3U);
    for (const ClientFingerprints& client : found.clients) {
      EXPECT_NE(client.model, before);
      EXPECT_EQ(client.kept_before.empty(), round == 0);
      EXPECT_FALSE(client.kept.empty());
      EXPECT_TRUE(client.weight);
    }
    EXPECT_EQ(found.clients[0].site, "site_0");
    before = after;
  }
}

/// Of a single client summed in float32 with weight 1, the average is its own model.
TEST(FingerprintLog, of_one_client_has_its_model_as_the_average) {
  if (!world().is_root()) return;
  const SmallFederation small = unequal_sites(1);
  SimulationOptions options = hashed(small_options(), 1);
  options.reduction = Reduction::fast;
  options.model.amplitude.band = Band::off;
  const RoundFingerprints round = rounds_of(Communicator::serial(), options, small).at(0);
  EXPECT_EQ(round.clients.at(0).model, round.model);
  EXPECT_EQ(round.clients.at(0).weight, 1.0);
}

TEST(FingerprintLog, has_the_average_before_the_servers_step) {
  const SmallFederation small = unequal_sites(2);
  SimulationOptions options = hashed(small_options(), 1);
  options.algorithm = "fedavgm";
  options.algorithm_values = {{"server_lr", "0.5"}};
  const auto stepped = rounds_of(world(), options, small);
  options.algorithm = "fedavg";
  options.algorithm_values = {};
  const auto plain = rounds_of(world(), options, small);
  if (!world().is_root()) return;
  EXPECT_EQ(stepped[0].average, plain[0].model);
  EXPECT_NE(stepped[0].model, plain[0].model);
  EXPECT_THAT(stepped[0].server, Not(IsEmpty()));
}

TEST(FingerprintLog, tells_updates_that_do_not_count) {
  SmallFederation small = unequal_sites(3);
  Samples& samples = small.clients[1].split(Split::train);
  samples.images = samples.images.to(torch::kFloat32).div(255.0).mul(3e38);
  samples.intensity_scale = 1.0;
  SimulationOptions options = hashed(small_options(), 1);
  options.model.amplitude.band = Band::off;
  options.nonfinite = NonFinite::leave_out;
  const auto rounds = rounds_of(world(), options, small);
  if (!world().is_root()) return;
  const auto& clients = rounds[0].clients;
  EXPECT_TRUE(clients[0].weight);
  EXPECT_FALSE(clients[1].weight);
  EXPECT_THAT(clients[1].kept, IsEmpty()) << "it is forgotten";
  EXPECT_THAT(clients[2].kept, Not(IsEmpty()));
}

TEST(FingerprintLog, hashes_what_clients_train_on) {
  const SmallFederation small = unequal_sites(2);
  const SimulationOptions options = hashed(small_options(), 1);
  SmallFederation other = small;
  torch::Tensor& images = other.clients[1].split(Split::train).images;
  images = images.clone();
  images[0][0][0][0] = images[0][0][0][0].item<int>() ^ 1;  // one bit of one pixel
  const auto before = rounds_of(world(), options, small),
             after = rounds_of(world(), options, other);
  SmallFederation labels = small;
  torch::Tensor& targets = labels.clients[0].split(Split::train).targets;
  targets = targets.clone();
  targets[0][0][0] = 1 - targets[0][0][0].item<int>();
  const auto relabelled = rounds_of(world(), options, labels);
  if (!world().is_root()) return;
  const auto batches = [](const std::vector<RoundFingerprints>& rounds, std::size_t client) {
    return rounds.at(0).clients.at(client).batches;
  };
  EXPECT_EQ(batches(after, 0), batches(before, 0));
  EXPECT_NE(batches(after, 1), batches(before, 1));
  EXPECT_NE(batches(relabelled, 0), batches(before, 0));
  EXPECT_EQ(batches(relabelled, 1), batches(before, 1));
}

TEST(FingerprintLog, changes_no_bit_of_a_run_and_writes_nothing_where_it_is_off) {
  const SharedFolder folder;
  SimulationOptions options = small_options();
  options.evaluate_every = 0;
  const auto plain = test::run_in(folder / "plain", world(), options, false);
  const auto watched = test::run_in(folder / "watched", world(), hashed(options, 3), false);
  EXPECT_TRUE(same_bits(plain.state, watched.state));
  if (!world().is_root()) return;
  EXPECT_FALSE(std::filesystem::exists(folder / "plain/fingerprints.jsonl"));
  EXPECT_FALSE(content_of(folder / "watched/fingerprints.jsonl").empty());
  EXPECT_THAT(content_of(folder / "plain/rounds.jsonl"),
              Not(testing::HasSubstr("\"fingerprint\"")));
  EXPECT_THAT(content_of(folder / "watched/rounds.jsonl"), testing::HasSubstr("\"fingerprint\""));
}

TEST(FingerprintLog, of_a_resumed_run_is_that_of_one_that_was_never_stopped) {
  const SharedFolder folder;
  test::run_in(folder / "whole", world(), hashed(small_options(), 4), false);
  test::run_in(folder / "parts", world(), hashed(small_options(), 2), false);
  if (world().is_root()) {  // a process that was killed leaves rounds that it had not saved
    const RunFolder run(folder / "parts", true);
    run.append_fingerprints("{\"round\":2,\"model\":[]}\n{\"rou");
  }
  world().barrier();
  test::run_in(folder / "parts", world(), hashed(small_options(), 4), true);
  if (!world().is_root()) return;
  const std::string whole = content_of(folder / "whole/fingerprints.jsonl");
  EXPECT_EQ(content_of(folder / "parts/fingerprints.jsonl"), whole);
  EXPECT_EQ(std::ranges::count(whole, '\n'), 4);
}

}  // namespace
}  // namespace harmofl
