// SPDX-License-Identifier: Apache-2.0
// Gradients, local training and a federated run on the GPU against the CPU.
#include "cuda/gpu_fixture.hpp"
#include "data/batches/residence.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/small_federation.hpp"
#include "model/device/determinism.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::relative_error;

constexpr double fp32_tolerance = 1e-4;  ///< Tolerance of a gradient: sums in other orders.
constexpr double bf16_tolerance =
    0.25;  ///< Tolerance of a gradient: 8 bits of mantissa, many layers.
constexpr double run_tolerance = 1e-3;  ///< Tolerance of weights after some steps.

class StepOnGpu : public test::GpuTest {};

ProblemShape shape_of(const std::string& network) {
  return network == "unet" ? test::segmentation_of(32, 32) : test::classification_of(32, 32);
}

/// A gradient over one batch at the initial weights.
torch::Tensor gradient(const std::string& network, NormKind norm, Precision precision,
                       torch::Device device) {
  ModelOptions options;
  options.network = {network, 8, norm};
  options.precision = precision;
  Model model(options, shape_of(network), 1, device);
  const torch::Tensor images = test::random_images({8, 3, 32, 32}, 2).to(device);
  const torch::Tensor targets =
      torch::arange(8 * 32 * 32).remainder(3).clamp_max(1).view({8, 32, 32}).to(device);
  const bool masks = network == "unet";
  loss(masks ? LossKind::cross_entropy_dice : LossKind::cross_entropy, model.forward(images),
       masks ? targets : targets.select(1, 0).select(1, 0))
      .backward();
  return model.state().gradients().cpu();
}

TEST_F(StepOnGpu, has_the_gradient_of_the_cpu) {
  for (const std::string network : {"unet", "cnn"}) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      const torch::Tensor expected = gradient(network, norm, Precision::fp32, torch::kCPU);
      EXPECT_LT(relative_error(gradient(network, norm, Precision::fp32, gpu), expected),
                fp32_tolerance)
          << network << ", norm " << static_cast<int>(norm);
      EXPECT_LT(relative_error(gradient(network, norm, Precision::bf16, gpu), expected),
                bf16_tolerance)
          << network << ", norm " << static_cast<int>(norm);
    }
  }
}

/// Weights after two epochs of HarmoFL's local step on 44 images: each epoch has five full batches
/// and one of four images.
torch::Tensor trained(const LocalOptions& options, const ModelOptions& model_options,
                      torch::Device device) {
  torch::manual_seed(4);
  ClientData data;
  data.site = "clinic";
  data.split(Split::train) = {torch::randint(0, 256, {44, 3, 32, 32}, torch::kUInt8),
                              torch::randint(0, 2, {44, 32, 32}, torch::kUInt8), 255.0};
  SampleBudget budget(sample_bytes(data));
  settle(data, device, &budget);
  Model model(model_options, test::segmentation_of(32, 32), 1, device);
  const auto method = make_algorithm("harmofl", {});
  LocalTrainer trainer(model, *method, options);
  NamedState state;
  trainer.train(data, {RoundId{0}, ClientId{0}, 7}, state, {});
  return model.state().state().cpu();
}

ModelOptions harmofl_model() {
  ModelOptions options;
  options.network = {"unet", 4, NormKind::batch};
  options.amplitude.band = Band::dc;
  return options;
}

LocalOptions harmofl_step() {
  LocalOptions options;
  options.optimizer = {OptimizerKind::sgd, 0.05, 0.9, 1e-4};
  options.perturbation.alpha = 0.05;
  options.local_epochs = 2;
  options.batches = {.batch_size = 8, .max_samples = -1, .augment = true};
  return options;
}

TEST_F(StepOnGpu, trains_as_the_cpu_does) {
  const auto expected = trained(harmofl_step(), harmofl_model(), torch::kCPU);
  EXPECT_LT(relative_error(trained(harmofl_step(), harmofl_model(), gpu), expected), run_tolerance);
}

TEST_F(StepOnGpu, trains_by_graphs_as_without_them) {
  constexpr double tolerance = 1e-4;  ///< Some of cuDNN's sums have no fixed order.
  for (const OptimizerKind optimizer : {OptimizerKind::sgd, OptimizerKind::adam}) {
    for (const Precision precision : {Precision::fp32, Precision::bf16}) {
      LocalOptions options = harmofl_step();
      options.optimizer.kind = optimizer;
      options.optimizer.lr = optimizer == OptimizerKind::adam ? 1e-3 : 0.05;
      ModelOptions model = harmofl_model();
      model.precision = precision;
      const torch::Tensor expected = trained(options, model, gpu);
      options.graphs = true;
      EXPECT_LT(relative_error(trained(options, model, gpu), expected),
                precision == Precision::fp32 ? tolerance : run_tolerance);
    }
  }
}

/// Ends what a test asked of this process.
class Deterministic {
 public:
  explicit Deterministic(torch::Device gpu) : gpu_(gpu) { apply_determinism(true, gpu); }
  ~Deterministic() { apply_determinism(false, gpu_); }

 private:
  torch::Device gpu_;
};

TEST_F(StepOnGpu, gives_the_same_bits_every_time_when_deterministic) {
  const Deterministic asked(gpu);
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    for (const bool channels_last : {false, true}) {
      for (const bool graphs : {false, true}) {
        LocalOptions options = harmofl_step();
        options.graphs = graphs;
        ModelOptions model = harmofl_model();
        model.precision = precision;
        model.channels_last = channels_last;
        const torch::Tensor expected = trained(options, model, gpu);
        EXPECT_TRUE(test::same_bits(trained(options, model, gpu), expected))
            << to_string(precision) << ", channels last " << channels_last << ", graphs " << graphs;
      }
    }
  }
}

TEST_F(StepOnGpu, runs_a_federation_as_the_cpu_does) {
  const auto small = test::unequal_sites(3);
  SimulationOptions options = test::small_options();
  options.transport = TransportKind::mpi;
  const test::Ending expected = test::run(Communicator::serial(), options, small);
  const test::Ending found = test::run(Communicator::serial(), options, small, gpu);
  EXPECT_LT(relative_error(found.state, expected.state), run_tolerance);
  ASSERT_EQ(found.scores.size(), expected.scores.size());
  for (std::size_t i = 0; i < found.scores.size(); ++i) {
    EXPECT_NEAR(found.scores[i].values.at("loss"), expected.scores[i].values.at("loss"), 0.01);
  }
}

}  // namespace
}  // namespace harmofl
