// SPDX-License-Identifier: Apache-2.0
// A run that stopped and went on ends as one that never stopped.
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "io/samples.hpp"
#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <fstream>

namespace harmofl {
namespace {

using nlohmann::json;
using test::Ending;
using test::run_in;
using test::same_bits;
using test::same_scores;
using test::SharedFolder;
using test::small_options;
using test::SmallFederation;
using test::unequal_sites;
using test::world;

constexpr std::int64_t rounds_before = 2;
constexpr std::int64_t rounds_in_all = 4;

SimulationOptions options_of(OptimizerKind optimizer, std::int64_t rounds) {
  SimulationOptions options = small_options();
  options.local.optimizer = {optimizer, optimizer == OptimizerKind::sgd ? 0.05 : 1e-3, 0.9, 1e-4};
  options.rounds = rounds;
  options.save_every = 0;  // at the end alone
  return options;
}

/// The lines of metrics.jsonl and the summary, without seconds.
std::vector<json> records_of(const std::filesystem::path& folder) {
  std::vector<json> records;
  std::ifstream metrics(folder / "metrics.jsonl");
  for (std::string line; std::getline(metrics, line);) records.push_back(json::parse(line));
  std::ifstream summary(folder / "summary.json");
  records.push_back(json::parse(summary));
  for (json& record : records) record.erase("seconds");
  return records;
}

class Resume : public testing::TestWithParam<OptimizerKind> {
 protected:
  void expect_as_if_never_stopped(const SharedFolder& folder, const Communicator& first_comm,
                                  bool takes_part_in_first) {
    const Ending whole =
        run_in(folder / "whole", world(), options_of(GetParam(), rounds_in_all), false);
    if (takes_part_in_first) {
      run_in(folder / "parts", first_comm, options_of(GetParam(), rounds_before), false);
    }
    world().barrier();
    const Ending parts =
        run_in(folder / "parts", world(), options_of(GetParam(), rounds_in_all), true);
    EXPECT_TRUE(same_bits(parts.state, whole.state));
    if (!world().is_root()) return;
    EXPECT_TRUE(same_scores(parts.scores, whole.scores));
    EXPECT_EQ(records_of(folder / "parts"), records_of(folder / "whole"));
    EXPECT_EQ(records_of(folder / "whole").size(),
              static_cast<std::size_t>(rounds_in_all * 3 * 3 + 1));
  }
};

TEST_P(Resume, ends_with_the_same_bits_as_an_uninterrupted_run) {
  const SharedFolder folder;
  expect_as_if_never_stopped(folder, world(), true);
}

TEST_P(Resume, goes_on_with_another_number_of_ranks) {
  const SharedFolder folder;
  expect_as_if_never_stopped(folder, Communicator::serial(), world().is_root());
}

TEST_P(Resume, depends_on_the_optimisers_state_of_every_client) {
  // Without it the test above would pass for any optimiser.
  const SharedFolder folder;
  run_in(folder / "parts", world(), options_of(GetParam(), rounds_before), false);
  if (!world().is_root()) return;
  const CheckpointReader reader(folder / "parts/checkpoint.h5");
  EXPECT_EQ(reader.info().rounds_done, rounds_before);
  EXPECT_EQ(reader.groups("clients").size(), 3U);
  for (const std::string& site : reader.groups("clients")) {
    bool moved = false;
    for (const NamedTensor& tensor : reader.read("clients/" + site)) {
      for (const float value : tensor.values) moved = moved || value != 0.0F;
    }
    EXPECT_TRUE(moved) << site;
  }
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Resume,
                         testing::Values(OptimizerKind::sgd, OptimizerKind::adam),
                         [](const auto& instance) {
                           return instance.param == OptimizerKind::sgd ? "sgd" : "adam";
                         });

TEST(ResumeErrors, refuse_the_checkpoint_of_another_method) {
  const SharedFolder folder;
  SimulationOptions options = options_of(OptimizerKind::sgd, rounds_before);
  run_in(folder / "run", world(), options, false);
  options.algorithm = "fedavg";
  const SmallFederation small = unequal_sites(3);
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  const std::string message =
      test::user_error_of([&] { simulation.resume(folder / "run/checkpoint.h5"); });
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("harmofl"), testing::HasSubstr("fedavg")));
}

}  // namespace
}  // namespace harmofl
