// SPDX-License-Identifier: Apache-2.0
// A run gives the same numbers with any number of lanes as with one, on any number of ranks.
#include "fl/rank_invariance.hpp"
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mutex>
#include <set>
#include <string>
#include <utility>

namespace harmofl {
namespace {

using test::Ending;
using test::run;
using test::run_in;
using test::same_bits;
using test::same_scores;
using test::SharedFolder;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

SimulationOptions with_lanes(SimulationOptions options, std::int64_t lanes) {
  options.lanes = lanes;
  return options;
}

void expect_alike(const Ending& one, const Ending& other) {
  EXPECT_TRUE(same_bits(one.state, other.state));
  if (world().is_root()) {
    EXPECT_TRUE(same_scores(one.scores, other.scores));
    EXPECT_FALSE(one.scores.empty());
  }
}

/// Runs with 1, 2 and 3 lanes and expects one ending.
void expect_any_lanes(const SimulationOptions& options, const SmallFederation& small) {
  const Ending one = run(world(), with_lanes(options, 1), small);
  for (const std::int64_t lanes : {2, 3}) {
    SCOPED_TRACE(lanes);
    expect_alike(run(world(), with_lanes(options, lanes), small), one);
  }
}

/// A method with both halves of HarmoFL, momentum and statistics of each client's own on top.
SimulationOptions options_of(const std::string& method) {
  SimulationOptions options = small_options();
  options.algorithm = method;
  options.local.optimizer = {OptimizerKind::sgd, 0.02, 0.5, 1e-4};
  options.model.network.projection = method == "moon";
  if (method == "cyclic" || method == "local") options.model.amplitude.band = Band::off;
  options.rounds = 2;
  options.evaluate_every = 0;  // the last one alone
  return options;
}

class LaneInvariance : public testing::TestWithParam<std::string> {};

TEST_P(LaneInvariance, holds_to_the_bit_for_the_method) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = options_of(GetParam());
  options.buffers = BufferPolicy::local;
  for (const auto& [reduction, lanes] :
       {std::pair(Reduction::exact, 3), std::pair(Reduction::fast, 2)}) {
    options.reduction = reduction;
    SCOPED_TRACE(static_cast<int>(reduction));
    expect_alike(run(world(), with_lanes(options, lanes), small),
                 run(world(), with_lanes(options, 1), small));
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, LaneInvariance, testing::ValuesIn(algorithm_names()),
                         [](const auto& instance) { return instance.param; });

TEST(Lanes, change_no_bit_with_several_epochs_in_bfloat16_and_channels_last) {
  const SmallFederation small = unequal_sites(4);
  SimulationOptions options = options_of("harmofl");
  options.local.optimizer = {OptimizerKind::adam, 1e-3, 0.9, 1e-4};
  options.local.local_epochs = 2;
  options.local.measure = true;
  options.model.channels_last = true;
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    options.model.precision = precision;
    expect_any_lanes(options, small);
  }
}

TEST(Lanes, change_no_bit_where_statistics_are_recomputed_and_the_end_is_fine_tuned) {
  const SmallFederation small = unequal_sites(5);
  SimulationOptions options = options_of("fedavg");
  options.buffers = BufferPolicy::recompute;
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    options.reduction = reduction;
    expect_any_lanes(options, small);
  }
}

std::string content_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Lanes, write_the_same_table_of_fine_tuned_models) {
  const SharedFolder folder;
  SimulationOptions options = options_of("fedbn");
  options.personalization.epochs = 2;
  for (const std::int64_t lanes : {1, 3}) {
    run_in(folder / concat(lanes), world(), with_lanes(options, lanes), false);
  }
  if (!world().is_root()) return;
  const std::string table = content_of(folder / "1/personalized.csv");
  EXPECT_EQ(content_of(folder / "3/personalized.csv"), table);
  EXPECT_FALSE(table.empty());
}

TEST(Lanes, change_no_bit_of_sampled_cohorts_and_of_state_beyond_memory) {
  const SmallFederation small = unequal_sites(8);
  const SharedFolder folder;
  SimulationOptions options = small_options();
  options.rounds = 3;
  options.evaluate_every = 0;
  options.cohort.size = 5;
  options.state = {1, folder / ""};  // one byte: every state goes to the file
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    options.reduction = reduction;
    expect_any_lanes(options, small);
  }
  options.reduction = Reduction::exact;
  const Ending spilled = run(world(), with_lanes(options, 2), small);
  options.state = {};
  expect_alike(spilled, run(world(), options, small));
}

TEST(Lanes, put_all_that_clients_keep_back_into_the_file) {
  const SmallFederation small = unequal_sites(4);
  const SharedFolder folder;
  SimulationOptions options = with_lanes(small_options(), 2);
  options.evaluate_every = 0;
  options.state = {1, folder / ""};
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    options.reduction = reduction;
    Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU,
                          nullptr);
    simulation.run_round();
    EXPECT_EQ(simulation.hosting().states().memory_bytes(), 0);
    EXPECT_GT(simulation.hosting().states().file_bytes(), 0);
  }
}

TEST(Lanes, change_no_bit_where_devices_lose_updates) {
  const SmallFederation small = unequal_sites(8);
  SimulationOptions options = small_options();
  options.rounds = 3;
  options.evaluate_every = 0;
  options.cohort = {5, Sampling::uniform, 1.5};
  options.fleet.speed = "lognormal:0,1";
  options.fleet.availability = "0.8";
  options.fleet.sample_time_s = 0.1;
  options.fleet.deadline_s = 1.0;
  options.fleet.drop_before = 0.1;
  options.fleet.drop_after = 0.4;
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    options.reduction = reduction;
    expect_any_lanes(options, small);
  }
}

TEST(Lanes, change_no_bit_where_the_first_client_is_trained_alone_to_see_what_it_takes) {
  const SmallFederation small = unequal_sites(5);
  SimulationOptions options = options_of("harmofl");
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    options.reduction = reduction;
    const Ending one = run(world(), options, small);
    options.lanes_by_memory = true;
    expect_alike(run(world(), with_lanes(options, 3), small), one);
    options.lanes_by_memory = false;
  }
}

/// All updates of the first round are lost, after clients have shown their amplitudes: of them the
/// model is to know nothing, in any lane.
TEST(Lanes, forget_amplitudes_whose_updates_are_lost) {
  const SmallFederation small = unequal_sites(5);
  SimulationOptions options = small_options();
  options.rounds = 1;
  options.fleet.drop_after = 1.0;
  Simulation simulation(world(), with_lanes(options, 3), small.federation(), small.loader(),
                        torch::kCPU, nullptr);
  simulation.run_round();
  EXPECT_FALSE(simulation.trained().empty());
  expect_alike(test::ending_of(simulation), run(world(), with_lanes(options, 1), small));
}

/// Clients of which one trains on values that no float32 network survives.
SmallFederation with_a_broken_client(std::int64_t sites, std::size_t broken) {
  SmallFederation small = unequal_sites(sites);
  Samples& samples = small.clients[broken].split(Split::train);
  samples.images = samples.images.to(torch::kFloat32).div(255.0).mul(3e38);
  samples.intensity_scale = 1.0;
  return small;
}

TEST(Lanes, leave_the_same_updates_out) {
  SimulationOptions options = small_options();
  options.evaluate_every = 0;
  options.rounds = 2;
  options.model.amplitude.band = Band::off;
  options.nonfinite = NonFinite::leave_out;
  for (const std::size_t broken : {0, 3}) {
    const SmallFederation small = with_a_broken_client(4, broken);
    for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
      options.reduction = reduction;
      const Ending one = run(world(), with_lanes(options, 1), small);
      for (const std::int64_t lanes : {2, 3}) {  // its own losses are NaN, which equals nothing
        EXPECT_TRUE(same_bits(run(world(), with_lanes(options, lanes), small).state, one.state));
      }
      EXPECT_TRUE(at::isfinite(one.state).all().item<bool>());
    }
  }
}

TEST(Lanes, may_change_in_number_when_a_run_goes_on) {
  const SharedFolder folder;
  const auto options = [&](std::int64_t rounds, std::int64_t lanes) {
    SimulationOptions part = options_of("scaffold");
    part.local.optimizer.momentum = 0.0;
    part.rounds = rounds;
    part.save_every = 0;  // at the end alone
    return with_lanes(part, lanes);
  };
  const Ending whole = run_in(folder / "whole", world(), options(4, 1), false);
  run_in(folder / "parts", world(), options(1, 2), false);
  run_in(folder / "parts", world(), options(2, 1), true);
  expect_alike(run_in(folder / "parts", world(), options(4, 3), true), whole);
}

/// Samples that are not read until two clients are read from at the same time.
class MeetingSource : public SampleSource {
 public:
  struct Place {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::string> here;
    bool met = false;
  };

  MeetingSource(Place& place, std::string site, SampleBlock all)
      : place_(place), site_(std::move(site)), all_(std::move(all)) {}

  std::int64_t count() const override { return all_.images.size(0); }
  SampleBlock make_block(std::int64_t count) const override {
    return {torch::empty_like(all_.images.narrow(0, 0, 1)).repeat({count, 1, 1, 1}),
            torch::empty_like(all_.targets.narrow(0, 0, 1)).repeat({count, 1, 1})};
  }
  void read(std::span<const std::int64_t> rows, SampleBlock& block) const override {
    {
      std::unique_lock lock(place_.mutex);
      place_.here.insert(site_);
      place_.met = place_.met || place_.here.size() > 1;
      place_.changed.notify_all();
      place_.changed.wait_for(lock, std::chrono::minutes(1), [&] { return place_.met; });
    }
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      block.images[at].copy_(all_.images[rows[i]]);
      block.targets[at].copy_(all_.targets[rows[i]]);
    }
  }
  void check_unchanged() const override {}

 private:
  Place& place_;
  std::string site_;
  SampleBlock all_;
};

TEST(Lanes, train_clients_at_the_same_time_from_streamed_samples_too) {
  if (!world().is_root()) return;
  SmallFederation small = unequal_sites(2);
  SimulationOptions options = with_lanes(small_options(), 2);
  options.rounds = 1;
  options.evaluate_every = 0;
  const Ending held = test::run_serially(options, small);
  MeetingSource::Place place;
  for (ClientData& client : small.clients) {
    Samples& train = client.split(Split::train);
    train.source = std::make_shared<const MeetingSource>(place, client.site,
                                                         SampleBlock{train.images, train.targets});
    train.images = train.targets = torch::Tensor();
  }
  const Federation federation = unequal_sites(2).federation();
  const Communicator alone = Communicator::serial();
  Simulation simulation(alone, options, federation, small.loader(), torch::kCPU, nullptr);
  simulation.run();
  EXPECT_TRUE(place.met);
  EXPECT_TRUE(same_bits(simulation.model().state().state(), held.state));
}

TEST(Lanes, end_with_an_error_that_names_the_client) {
  if (!world().is_root()) return;  // one rank that fails ends all others: serially here
  for (const Reduction reduction : {Reduction::exact, Reduction::fast}) {
    SimulationOptions options = with_lanes(small_options(), 2);
    options.model.amplitude.band = Band::off;
    options.reduction = reduction;
    EXPECT_THAT(test::error_of<RankFailure>(
                    [&] { test::run_serially(options, with_a_broken_client(5, 2)); }),
                testing::AllOf(testing::HasSubstr("client site_2"), testing::HasSubstr("NaN")));
    SmallFederation other = unequal_sites(5);  // the network takes three channels
    for (Samples& samples : other.clients[3].splits)
      samples.images = samples.images.narrow(1, 0, 2);
    EXPECT_THAT(test::error_of<RankFailure>([&] { test::run_serially(options, other); }),
                testing::HasSubstr("client site_3 in round 0"));
  }
}

TEST(Lanes, are_refused_where_clients_cannot_be_trained_at_the_same_time) {
  if (!world().is_root()) return;
  SimulationOptions options = with_lanes(small_options(), 2);
  options.local.pieces = 2;
  options.algorithm = "fedavg";
  options.model.amplitude.band = Band::off;
  options.model.network.norm = NormKind::group;
  EXPECT_THAT(test::user_error_of([&] { test::run_serially(options, unequal_sites(1)); }),
              testing::AllOf(testing::HasSubstr("device.lanes = 2"),
                             testing::HasSubstr("train.pieces = 2")));
}

TEST(Lanes, of_clients_that_train_one_after_the_other_are_cautioned_about) {
  const SmallFederation small = unequal_sites(2);
  SimulationOptions options = options_of("cyclic");
  const auto cautions = [&](std::int64_t lanes) {
    const Simulation simulation(world(), with_lanes(options, lanes), small.federation(),
                                small.loader(), torch::kCPU, nullptr);
    return simulation.cautions();
  };
  EXPECT_THAT(cautions(2), testing::Contains(testing::HasSubstr("device.lanes = 2")));
  EXPECT_THAT(cautions(1), testing::Not(testing::Contains(testing::HasSubstr("device.lanes"))));
}

}  // namespace
}  // namespace harmofl
