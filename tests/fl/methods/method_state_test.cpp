// SPDX-License-Identifier: Apache-2.0
// What methods keep with clients and server survives rounds, checkpoints and a move to another
// rank.
#include "fl/shared_folder.hpp"
#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::Ending;
using test::run_in;
using test::same_bits;
using test::same_scores;
using test::SharedFolder;
using test::small_options;
using test::world;

/// A method with both halves of HarmoFL, momentum and statistics of each client's own on top.
SimulationOptions options_of(const std::string& method, std::int64_t rounds) {
  SimulationOptions options = small_options();
  options.algorithm = method;
  options.local.optimizer = {OptimizerKind::sgd, 0.02, 0.5, 1e-4};
  options.model.network.projection = method == "moon";
  if (method == "cyclic" || method == "local") options.model.amplitude.band = Band::off;
  options.buffers = BufferPolicy::local;
  options.rounds = rounds;
  options.save_every = 0;  // at the end alone
  return options;
}

class MethodState : public testing::TestWithParam<std::string> {};

TEST_P(MethodState, survives_a_checkpoint_and_a_move_to_other_ranks) {
  // The first round on one rank, the others on all: clients that were on rank 0 move.
  const SharedFolder folder;
  const Ending whole = run_in(folder / "whole", world(), options_of(GetParam(), 3), false);
  if (world().is_root()) {
    run_in(folder / "parts", Communicator::serial(), options_of(GetParam(), 1), false);
  }
  world().barrier();
  const Ending parts = run_in(folder / "parts", world(), options_of(GetParam(), 3), true);
  EXPECT_TRUE(same_bits(parts.state, whole.state));
  if (world().is_root()) {
    EXPECT_TRUE(same_scores(parts.scores, whole.scores));
  }
}

INSTANTIATE_TEST_SUITE_P(Methods, MethodState, testing::ValuesIn(algorithm_names()),
                         [](const auto& instance) { return instance.param; });

/// Tensors of a checkpoint's group, by name.
std::map<std::string, NamedTensor> tensors_of(const CheckpointReader& reader,
                                              const std::string& group) {
  std::map<std::string, NamedTensor> tensors;
  for (const NamedTensor& tensor : reader.read(group)) tensors[tensor.name] = tensor;
  return tensors;
}

TEST(MethodStateFiles, hold_what_each_method_keeps) {
  const SharedFolder folder;
  const std::vector<std::pair<std::string, std::string>> at_clients{
      {"moon", "moon.previous"},
      {"scaffold", "scaffold.c"},
      {"feddyn", "feddyn.h"},
      {"ditto", "ditto.personal"},
      {"ditto", "ditto.momentum_buffer"},
      {"fedbn", "local.encoder1.enc1_bn1.running_mean"},
      {"fedavg", "optimizer.momentum_buffer"},
  };
  const std::vector<std::pair<std::string, std::string>> at_server{
      {"scaffold", "scaffold.c"}, {"feddyn", "feddyn.h"},   {"fedavgm", "fedavgm.u"},
      {"fedadam", "fedadam.v"},   {"fedyogi", "fedyogi.m"}, {"fedadagrad", "fedadagrad.v"},
  };
  for (const std::string& method : algorithm_names()) {
    run_in(folder / method, world(), options_of(method, 1), false);
  }
  if (!world().is_root()) return;
  const auto expect_moved = [&](const std::string& method, const std::string& group,
                                const std::string& name) {
    const CheckpointReader reader(folder / method / "checkpoint.h5");
    const auto tensors = tensors_of(reader, group);
    ASSERT_TRUE(tensors.contains(name)) << method << " " << group << " " << name;
    bool moved = false;
    for (const float value : tensors.at(name).values) moved = moved || value != 0.0F;
    EXPECT_TRUE(moved) << method << " " << group << " " << name;
  };
  for (const auto& [method, name] : at_clients) expect_moved(method, "clients/site_1", name);
  for (const auto& [method, name] : at_server) expect_moved(method, "server", name);
}

TEST(MethodStateFiles, of_the_best_round_hold_the_clients_part_of_the_model) {
  const SharedFolder folder;
  for (const std::string method : {"fedbn", "ditto", "fedavg"}) {
    SimulationOptions options = options_of(method, 2);
    options.buffers = BufferPolicy::average;
    run_in(folder / method, world(), options, false);
    if (!world().is_root()) continue;
    const CheckpointReader best(folder / method / "best.h5");
    if (method == "fedavg") {
      EXPECT_TRUE(best.groups("clients").empty());
      continue;
    }
    EXPECT_EQ(best.groups("clients").size(), 3U) << method;
    for (const NamedTensor& tensor : best.read("clients/site_0")) {
      EXPECT_TRUE(tensor.name.starts_with("local.") || tensor.name == "ditto.personal");
    }
  }
}

}  // namespace
}  // namespace harmofl
