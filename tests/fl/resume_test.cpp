// SPDX-License-Identifier: Apache-2.0
// A run that stopped and went on ends as one that never stopped.
#include "fl/shared_folder.hpp"
#include "fl/small_federation.hpp"
#include "io/samples.hpp"
#include "io/tensor_elements.hpp"
#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

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

// With all that a client counts for itself: the first two rounds end within a pass over its images,
// and a cohort of two of the three has taken different numbers of steps.
TEST(ResumeOfSteps, goes_on_with_the_batch_at_which_each_client_was) {
  const SharedFolder folder;
  SimulationOptions options = options_of(OptimizerKind::sgd, rounds_in_all);
  options.local.local_steps = 2;
  options.cohort.size = 2;
  const Ending whole = run_in(folder / "whole", world(), options, false);
  options.rounds = rounds_before;
  if (world().is_root()) run_in(folder / "parts", Communicator::serial(), options, false);
  world().barrier();
  options.rounds = rounds_in_all;
  const Ending parts = run_in(folder / "parts", world(), options, true);
  EXPECT_TRUE(same_bits(parts.state, whole.state));
  if (!world().is_root()) return;
  EXPECT_EQ(records_of(folder / "parts"), records_of(folder / "whole"));
  std::set<float> counts;
  const CheckpointReader reader(folder / "whole/checkpoint.h5");
  for (const std::string site : {"site_0", "site_1", "site_2"}) {
    float steps = 0.0F;  // of a client that was never drawn
    for (const NamedTensor& tensor : reader.read("clients/" + site)) {
      if (tensor.name == steps_taken_name) steps = tensor.values[1];
    }
    counts.insert(steps);
  }
  EXPECT_GT(counts.size(), 1U);  // or the cohorts would not have tested it
}

INSTANTIATE_TEST_SUITE_P(Optimizers, Resume,
                         testing::Values(OptimizerKind::sgd, OptimizerKind::adam),
                         [](const auto& instance) {
                           return instance.param == OptimizerKind::sgd ? "sgd" : "adam";
                         });

std::string error_of_resuming(Simulation& simulation, const std::filesystem::path& path) {
  return test::user_error_of([&] { simulation.resume(open_checkpoint(path, world())); });
}

/// Tensors of a checkpoint by their groups.
using Groups = std::map<std::string, std::vector<NamedTensor>>;

/// Writes checkpoint `from` again as `to`, after `change`.
void rewrite(const std::filesystem::path& from, const std::filesystem::path& to,
             const std::function<void(CheckpointInfo&, Groups&)>& change) {
  const CheckpointReader reader(from);
  CheckpointInfo info = reader.info();
  Groups groups{{"model", reader.read("model")}, {"server", reader.read("server")}};
  for (const std::string& site : reader.groups("clients")) {
    groups["clients/" + site] = reader.read("clients/" + site);
  }
  change(info, groups);
  CheckpointWriter writer(to, info);
  for (const auto& [group, tensors] : groups) writer.write(group, tensors);
  writer.commit();
}

/// A run of FedAvgM with Adam, which keeps something with clients and at the server, and what
/// becomes of it when it is to go on from a changed checkpoint. Collective.
class ForeignCheckpoints : public testing::Test {
 protected:
  ForeignCheckpoints() : options_(options_of(OptimizerKind::adam, rounds_before)) {
    options_.algorithm = "fedavgm";
    run_in(folder_ / "run", world(), options_, false);
  }

  std::string error_after(const std::function<void(CheckpointInfo&, Groups&)>& change) {
    if (world().is_root()) rewrite(folder_ / "run/checkpoint.h5", folder_ / "bad.h5", change);
    world().barrier();
    const SmallFederation small = unequal_sites(3);
    Simulation simulation(world(), options_, small.federation(), small.loader(), torch::kCPU,
                          nullptr);
    const std::string error = error_of_resuming(simulation, folder_ / "bad.h5");
    EXPECT_THAT(error, testing::HasSubstr("bad.h5: "));
    world().barrier();
    return error;
  }

  std::string error_of_state(const std::string& member, const json& value) {
    return error_after([&](CheckpointInfo& info, Groups&) {
      json state = json::parse(info.state);
      state[member] = value;
      info.state = state.dump();
    });
  }

  static NamedTensor& find(Groups& groups, const std::string& group, const std::string& name) {
    return *std::ranges::find(groups.at(group), name, &NamedTensor::name);
  }

  const SharedFolder folder_;
  SimulationOptions options_;
};

TEST_F(ForeignCheckpoints, are_refused_when_a_tensor_has_another_shape) {
  const std::pair<const char*, const char*> places[] = {{"clients/site_2", "optimizer.exp_avg"},
                                                        {"clients/site_0", "optimizer.step"},
                                                        {"server", "fedavgm.u"}};
  for (const auto& [group, name] : places) {
    for (const std::vector<std::int64_t>& shape :
         std::vector<std::vector<std::int64_t>>{{1}, {0}, {2, 1}, {1, 1, 1}}) {
      const std::string error = error_after([&, at = group, of = name](auto&, Groups& groups) {
        NamedTensor& tensor = find(groups, at, of);
        tensor.shape = shape;
        tensor.values.assign(static_cast<std::size_t>(*element_count(shape)), 1.0F);
      });
      EXPECT_THAT(error, testing::AllOf(testing::HasSubstr(concat("/", group, ": tensor '", name)),
                                        testing::HasSubstr("but this model needs [")));
    }
  }
}

TEST_F(ForeignCheckpoints, are_refused_when_they_hold_what_no_method_keeps) {
  for (const std::string group : {"clients/site_1", "server"}) {
    const std::string error = error_after([&](auto&, Groups& groups) {
      groups.at(group).push_back({"scaffold.c", "", {1}, {1.0F}});
    });
    EXPECT_THAT(error, testing::AllOf(testing::HasSubstr(concat("/", group, ": the tensor")),
                                      testing::HasSubstr("'scaffold.c'")));
  }
}

TEST_F(ForeignCheckpoints, are_refused_when_they_place_clients_where_no_rank_is) {
  const auto ranks = world().size();
  for (const json& placement : {json::array(), json{0}, json{0, 0, ranks}, json{0, -1, 0},
                                json{0, 0, 99}, json{0, 0, std::int64_t{1} << 62}}) {
    EXPECT_THAT(error_of_state("placement", placement),
                testing::HasSubstr("attribute 'state': placement"));
  }
}

TEST_F(ForeignCheckpoints, are_refused_when_their_facts_are_no_facts) {
  for (const char* state : {"", "{", "[[1]]", R"({"amplitude_frozen":true,"log":{}})"}) {
    const std::string error =
        error_after([&](CheckpointInfo& info, Groups&) { info.state = state; });
    EXPECT_THAT(error, testing::HasSubstr("attribute 'state'"));
  }
  EXPECT_THAT(error_of_state("seconds", {{"train", "x"}}), testing::HasSubstr("seconds.'train'"));
  EXPECT_THAT(error_of_state("clients", 3), testing::HasSubstr("clients: expected a list"));
}

TEST(ResumePlacement, puts_every_client_where_it_was_though_they_are_named_in_another_order) {
  const SharedFolder folder;
  const SimulationOptions options = options_of(OptimizerKind::sgd, rounds_before);
  run_in(folder / "run", world(), options, false);
  std::vector<Rank> before;
  if (world().is_root()) {
    rewrite(folder / "run/checkpoint.h5", folder / "turned.h5", [&](auto& info, Groups&) {
      json state = json::parse(info.state);
      for (const auto& rank : state["placement"]) before.emplace_back(rank.get<std::int64_t>());
      for (const char* member : {"placement", "clients"}) {
        std::reverse(state[member].begin(), state[member].end());
      }
      info.state = state.dump();
    });
  }
  world().broadcast(before);
  const SmallFederation small = unequal_sites(3);
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  simulation.resume(open_checkpoint(folder / "turned.h5", world()));
  EXPECT_EQ(simulation.placement(), before);
}

TEST(ResumeErrors, refuse_the_checkpoint_of_another_method) {
  const SharedFolder folder;
  SimulationOptions options = options_of(OptimizerKind::sgd, rounds_before);
  run_in(folder / "run", world(), options, false);
  options.algorithm = "fedavg";
  const SmallFederation small = unequal_sites(3);
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  const std::string message = error_of_resuming(simulation, folder / "run/checkpoint.h5");
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("harmofl"), testing::HasSubstr("fedavg")));
}

}  // namespace
}  // namespace harmofl
