// SPDX-License-Identifier: Apache-2.0
// Methods that must come out alike, by their definitions.
#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"
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

/// Nothing of HarmoFL, and steps that every method's theory allows.
SimulationOptions plain(const std::string& method) {
  SimulationOptions options = small_options();
  options.algorithm = method;
  options.local.perturbation.alpha = 0.0;
  options.model.amplitude.band = Band::off;
  options.local.optimizer = {OptimizerKind::sgd, 0.05, 0.0, 0.0};
  return options;
}

torch::Tensor state_of(const SimulationOptions& options, const SmallFederation& small) {
  return run(world(), options, small).state;
}

/// Largest difference over the largest movement of plain FedAvg from the first model.
double relative_difference(const torch::Tensor& a, const torch::Tensor& b,
                           const SmallFederation& small) {
  SimulationOptions options = plain("fedavg");
  const Model first(options.model, small.federation().shape, options.seed, torch::kCPU);
  const torch::Tensor moved = state_of(options, small) - first.state().state();
  return test::distance(a, b) / moved.abs().max().item<double>();
}

TEST(MethodIdentities, methods_switched_off_are_fedavg_to_the_bit) {
  const SmallFederation small = unequal_sites(3);
  const torch::Tensor fedavg = state_of(plain("fedavg"), small);
  const std::vector<std::pair<std::string, AlgorithmValues>> switched_off{
      {"fedprox", {{"mu", "0"}}},
      {"fedavgm", {{"beta", "0"}, {"server_lr", "1"}}},
      {"moon", {{"mu", "0"}}},
      {"harmofl", {}},
      {"fedsam", {}},
      {"ditto", {}},  // its global model is FedAvg's, whatever the personal ones do
  };
  for (const auto& [method, values] : switched_off) {
    SimulationOptions options = plain(method);
    options.algorithm_values = values;
    EXPECT_TRUE(same_bits(state_of(options, small), fedavg)) << method;
  }
}

TEST(MethodIdentities, fedbn_without_norms_of_its_own_is_fedavg_to_the_bit) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain("fedavg");
  options.model.network.norm = NormKind::batch_stateless;
  const torch::Tensor fedavg = state_of(options, small);
  options.algorithm = "fedbn";
  EXPECT_TRUE(same_bits(state_of(options, small), fedavg));
}

TEST(MethodIdentities, fednova_with_equal_steps_is_fedavg_up_to_rounding) {
  const SmallFederation small = unequal_sites(3);
  for (const double momentum : {0.0, 0.9}) {
    SimulationOptions options = plain("fedavg");
    options.truncate = true;
    options.rounds = momentum > 0.0 ? 1 : 3;  // its momentum starts anew in every round
    options.local.optimizer.momentum = momentum;
    const torch::Tensor fedavg = state_of(options, small);
    options.algorithm = "fednova";
    EXPECT_LT(relative_difference(state_of(options, small), fedavg, small), 1e-4);
  }
}

TEST(MethodIdentities, scaffold_and_feddyn_begin_as_fedavg_and_fedprox) {
  // Their variates are zero in the first round; FedDyn's server then adds its mean update once
  // more.
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain("fedavg");
  options.rounds = 1;
  EXPECT_TRUE(same_bits(state_of(options, small), state_of(
                                                      [&] {
                                                        SimulationOptions scaffold = options;
                                                        scaffold.algorithm = "scaffold";
                                                        return scaffold;
                                                      }(),
                                                      small)));
  SimulationOptions fedprox = options;
  fedprox.algorithm = "fedprox";
  fedprox.algorithm_values = {{"mu", "0.1"}};
  SimulationOptions feddyn = options;
  feddyn.algorithm = "feddyn";
  feddyn.algorithm_values = {{"a", "0.1"}};
  const Model first(options.model, small.federation().shape, options.seed, torch::kCPU);
  const torch::Tensor start = first.state().parameters();
  const torch::Tensor once = state_of(fedprox, small).narrow(0, 0, start.numel()) - start;
  const torch::Tensor twice = state_of(feddyn, small).narrow(0, 0, start.numel()) - start;
  EXPECT_LT(test::distance(twice, 2.0 * once), 1e-5 * twice.abs().max().item<double>() + 1e-6);
}

/// Every method with copies of one client is that method with the client alone, which is
/// centralised training of its data (for FedDyn, SCAFFOLD and the server optimisers: their closed
/// form for one client). FedDyn and the adaptive servers divide by small numbers, which enlarges
/// the last bit that averaging copies may change.
TEST(MethodIdentities, copies_of_a_client_are_that_client_for_every_method) {
  for (const AlgorithmEntry& entry : algorithms()) {
    SimulationOptions options = plain(entry.name);
    options.weights = Weighting::uniform;
    options.local.shuffle = false;
    options.local.batches.augment = false;
    options.reduction = Reduction::fast;
    SimulationOptions alone = options;
    // The second copy goes on from where the first one ended.
    if (entry.name == "cyclic") alone.rounds *= 2;
    const torch::Tensor one = state_of(alone, identical_sites(1));
    EXPECT_TRUE(same_bits(state_of(options, identical_sites(2)), one)) << entry.name;
  }
}

/// FedAvg of one client of `small` alone, on this rank, from `start` or else the drawn weights.
torch::Tensor alone(SimulationOptions options, const SmallFederation& small, std::size_t client,
                    const torch::Tensor& start = {}) {
  options.algorithm = "fedavg";
  const SmallFederation one{{small.clients[client]}};
  const Communicator serial = Communicator::serial();
  Simulation simulation(serial, options, one.federation(), one.loader(), torch::kCPU, nullptr);
  if (start.defined()) {
    Model& model = simulation.model();
    model.state().state().copy_(start);
    simulation.start_from(model.state().export_tensors(), "the one before");
  }
  simulation.run();
  return simulation.model().state().state().clone();
}

TEST(MethodIdentities, cyclic_hands_the_model_from_client_to_client) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain("cyclic");
  options.local.shuffle = false;
  options.local.batches.augment = false;
  options.rounds = 1;
  torch::Tensor expected;
  for (std::size_t client = 0; client < 3; ++client) {
    expected = alone(options, small, client, expected);
  }
  EXPECT_TRUE(same_bits(state_of(options, small), expected));
}

TEST(MethodIdentities, local_is_each_client_alone) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain("local");
  options.reduction = Reduction::fast;  // an exact average of one client alone would round it
  options.local.shuffle = false;
  options.local.batches.augment = false;
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  const torch::Tensor first = simulation.model().state().state().clone();
  simulation.run();
  EXPECT_TRUE(same_bits(simulation.model().state().state(), first));
  for (const auto& [id, data] : simulation.hosting().own()) {
    Model model(options.model, small.federation().shape, 99, torch::kCPU);
    simulation.hosting().with_state(
        id, [&](NamedState& kept) { EXPECT_TRUE(personalize_layers(model, kept)); });
    EXPECT_TRUE(same_bits(model.state().state(), alone(options, small, id.position())));
  }
}

TEST(MethodCombinations, without_an_average_refuse_an_amplitude_and_devices) {
  const SmallFederation small = unequal_sites(2);
  const auto refusal = [&](const SimulationOptions& options) {
    return test::user_error_of([&] { run(world(), options, small); });
  };
  for (const std::string method : {"cyclic", "local"}) {
    SimulationOptions options = plain(method);
    options.model.amplitude.band = Band::dc;
    EXPECT_THAT(refusal(options), testing::HasSubstr("averages no running amplitude"));
  }
  SimulationOptions options = plain("cyclic");
  options.fleet.sample_time_s = 1.0;
  options.fleet.speed = "uniform:0.5,2";
  EXPECT_THAT(refusal(options), testing::HasSubstr("trains one client after the other"));
}

TEST(MethodIdentities, a_client_alone_is_centralised_training) {
  // One client, FedAvg: as many rounds of one epoch as local epochs in one round.
  SimulationOptions options = plain("fedavg");
  options.local.shuffle = false;
  options.local.batches.augment = false;
  options.reduction = Reduction::fast;
  const SmallFederation alone = identical_sites(1);
  options.rounds = 3;
  const torch::Tensor federated = state_of(options, alone);
  options.rounds = 1;
  options.local.local_epochs = 3;
  const torch::Tensor centralised = state_of(options, alone);
  EXPECT_TRUE(same_bits(federated, centralised));
  // Methods that only change how clients are brought together change nothing for one client.
  options.local.local_epochs = 1;
  options.rounds = 3;
  for (const std::string method : {"fedbn", "ditto", "scaffold", "harmofl", "fedsam"}) {
    options.algorithm = method;
    const Model first(options.model, alone.federation().shape, options.seed, torch::kCPU);
    torch::Tensor state = state_of(options, alone);
    if (method == "fedbn") continue;  // its norm layers are the client's, not the global model's
    EXPECT_LT(relative_difference(state, federated, alone), 1e-5) << method;
  }
}

TEST(MethodIdentities, every_method_moves_the_model_elsewhere) {
  // Without it the tests above could pass for methods that do nothing.
  const SmallFederation small = unequal_sites(3);
  const torch::Tensor fedavg = state_of(plain("fedavg"), small);
  for (const std::string method : {"fedavgm", "fedprox", "fednova", "fedadam", "fedyogi",
                                   "fedadagrad", "fedbn", "moon", "scaffold", "feddyn", "cyclic"}) {
    EXPECT_GT(relative_difference(state_of(plain(method), small), fedavg, small), 1e-5) << method;
  }
}

TEST(BufferPolicies, agree_on_parameters_and_differ_in_what_is_evaluated) {
  const SmallFederation small = unequal_sites(3);
  SimulationOptions options = plain("fedavg");
  const auto average = run(world(), options, small);
  options.buffers = BufferPolicy::local;
  const auto local = run(world(), options, small);
  options.buffers = BufferPolicy::recompute;
  const auto recompute = run(world(), options, small);
  const Model model(options.model, small.federation().shape, 0, torch::kCPU);
  const std::int64_t parameters = model.parameter_count();
  for (const auto& ending : {local, recompute}) {
    EXPECT_TRUE(
        same_bits(ending.state.narrow(0, 0, parameters), average.state.narrow(0, 0, parameters)))
        << "batch statistics are used in training, so the running ones cannot matter";
  }
  if (!world().is_root()) return;
  EXPECT_FALSE(test::same_scores(local.scores, average.scores));
  EXPECT_FALSE(test::same_scores(recompute.scores, average.scores));
}

TEST(BufferPolicies, recompute_gives_the_mean_statistics_of_the_batches) {
  // One client, one batch: the statistics of that batch itself.
  const SmallFederation small = identical_sites(1);
  SimulationOptions options = plain("fedavg");
  options.buffers = BufferPolicy::recompute;
  options.local.batches = {.batch_size = 64, .max_samples = -1, .augment = false};
  options.local.shuffle = false;
  Simulation simulation(world(), options, small.federation(), small.loader(), torch::kCPU, nullptr);
  simulation.run();
  Model& model = simulation.model();
  const Samples& samples = small.clients.front().split(Split::train);
  const torch::Tensor images = samples.images.to(torch::kFloat32) / samples.intensity_scale;
  const torch::Tensor weight = ParameterVector::view(
      model.state().state(), model.state().slot("encoder1.enc1_conv1.weight"));
  const torch::Tensor first = at::conv2d(images, weight, {}, 1, 1);
  const auto statistic = [&](const std::string& name) {
    return ParameterVector::view(model.state().state(),
                                 model.state().slot("encoder1.enc1_bn1." + name));
  };
  EXPECT_LT(test::distance(statistic("running_mean"), first.mean({0, 2, 3})), 1e-5);
  EXPECT_LT(test::distance(statistic("running_var"), first.var({0, 2, 3}, true)), 1e-5);
  EXPECT_EQ(statistic("num_batches_tracked").item<float>(), 1.0F);
}

}  // namespace
}  // namespace harmofl
