// SPDX-License-Identifier: Apache-2.0
// What a CUDA graph asks of the local step, found without a GPU: by the paths that a GPU takes, on
// copies of each batch whose originals are spoilt, with every operation watched that the host would
// have to wait for.
#include "base/host_paths.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/poisoning_recorder.hpp"
#include "harmofl/model/network.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>
#include <torch/utils.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using test::HostReads;
using test::PoisoningRecorder;
using test::same_bits;

/// 12 images of 32 x 32 pixels: batches of 5, 5 and 2.
ClientData client_for(Task task) {
  torch::manual_seed(11);
  ClientData data;
  data.site = "clinic";
  data.task = task;
  for (const Split split : {Split::train, Split::val}) {
    data.split(split) = {torch::randint(0, 256, {12, 3, 32, 32}, torch::kUInt8),
                         task == Task::segmentation
                             ? torch::randint(0, 2, {12, 32, 32}, torch::kUInt8)
                             : torch::randint(0, 2, {12}, torch::kInt64),
                         255.0};
  }
  return data;
}

struct StepCase {
  std::string network;
  NormKind norm = NormKind::batch;
  LossKind loss = LossKind::cross_entropy;
  double alpha = 0.05;
  Band band = Band::off;
  bool every_pass = false;
  Precision precision = Precision::fp32;
  OptimizerKind optimizer = OptimizerKind::sgd;

  Task task() const { return network == "unet" ? Task::segmentation : Task::classification; }
  std::string name() const {
    return concat(network, ", norm ", static_cast<int>(norm), ", loss ", static_cast<int>(loss),
                  ", alpha ", alpha, ", band ", static_cast<int>(band), every_pass ? " moving" : "",
                  ", ", to_string(precision), ", optimiser ", static_cast<int>(optimizer));
  }
};

ModelOptions model_options_of(const StepCase& one) {
  ModelOptions options;
  options.network = {one.network, one.network == "linear" ? 1 : 2, one.norm};
  options.network.one_output = one.loss == LossKind::bce;
  options.amplitude.band = one.band;
  options.amplitude.update_every_pass = one.every_pass;
  options.precision = one.precision;
  return options;
}

LocalOptions step_options_of(const StepCase& one) {
  LocalOptions options;
  options.optimizer.kind = one.optimizer;
  options.optimizer.lr = one.optimizer == OptimizerKind::adam ? 1e-3 : 0.05;
  options.loss = one.loss;
  options.perturbation.alpha = one.alpha;
  options.local_epochs = 2;
  options.batches = {.batch_size = 5, .augment = true};
  return options;
}

ProblemShape shape_of(const StepCase& one) {
  return one.task() == Task::segmentation ? test::segmentation_of(32, 32)
                                          : test::classification_of(32, 32);
}

/// The state after training by `recorder`, and the loss.
std::pair<torch::Tensor, double> train_by(const StepCase& one, const LocalOptions& options,
                                          std::unique_ptr<Recorder> recorder) {
  Model model(model_options_of(one), shape_of(one), 1, torch::kCPU);
  Algorithm plain;
  LocalTrainer trainer(model, plain, options, std::move(recorder));
  NamedState state;
  const ClientReport report =
      trainer.train(client_for(one.task()), {RoundId{0}, ClientId{0}, 7}, state, {});
  return {model.state().state().clone(), report.loss};
}

std::vector<StepCase> step_cases() {
  std::vector<StepCase> cases;
  for (const NetworkDefaults& network : network_defaults()) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      const bool deep = network.name == "densenet121";  // two norms are slow enough
      if (!(deep && norm == NormKind::batch_stateless)) cases.push_back({network.name, norm});
    }
  }
  for (const LossKind loss : {LossKind::cross_entropy_dice, LossKind::focal, LossKind::bce}) {
    cases.push_back({.network = "unet", .loss = loss});
    if (loss != LossKind::cross_entropy_dice) cases.push_back({.network = "cnn", .loss = loss});
  }
  for (const Band band : {Band::dc, Band::low, Band::full}) {
    for (const bool moving : {false, true}) {
      cases.push_back({.network = "unet", .band = band, .every_pass = moving});
    }
  }
  cases.push_back({.network = "cnn", .alpha = 0.0});
  cases.push_back({.network = "unet", .precision = Precision::bf16});
  cases.push_back({.network = "cnn", .optimizer = OptimizerKind::adam});
  return cases;
}

TEST(RecordedStep, depends_on_what_the_recorder_hands_it_alone_and_reads_nothing_back) {
  const GpuPaths paths;
  for (const StepCase& one : step_cases()) {
    const LocalOptions options = step_options_of(one);
    const auto [expected, expected_loss] = train_by(one, options, nullptr);
    PoisoningRecorder::Seen seen;
    const auto [found, loss] = train_by(one, options, std::make_unique<PoisoningRecorder>(seen));
    EXPECT_TRUE(same_bits(found, expected)) << one.name();
    EXPECT_EQ(loss, expected_loss) << one.name();
    EXPECT_THAT(seen.batches, testing::ElementsAre(testing::Pair(2, 2), testing::Pair(5, 4)));
    EXPECT_THAT(seen.reads, testing::IsEmpty()) << one.name();
  }
}

TEST(RecordedStep, would_not_go_unnoticed_with_a_read_in_it) {
  PoisoningRecorder::Seen seen;
  PoisoningRecorder recorder(seen);
  const torch::Tensor images = torch::rand({3, 2}), targets = torch::zeros({3}, torch::kInt64);
  recorder.run({images, images, targets}, [](const StepBatch& batch) {
    return batch.first.sum().item<double>() > 0.0 ? batch.first.sum() : batch.first.nonzero().sum();
  });
  EXPECT_THAT(seen.reads, testing::ElementsAre(testing::Pair("aten::_local_scalar_dense", 1)));
  EXPECT_TRUE(images.isnan().all().item<bool>());
}

TEST(LocalTrainer, reads_back_nothing_in_its_steps_and_each_sum_once_a_client) {
  const GpuPaths paths;
  for (const bool measured : {false, true}) {
    LocalOptions options = step_options_of({"cnn"});
    options.measure = measured;
    const HostReads watch;
    train_by({"cnn"}, options, nullptr);
    EXPECT_THAT(watch.found(), testing::IsEmpty()) << "the sums come as one tensor";
  }
}

/// The measures of the val split of an untrained model, and what was read for them.
std::pair<MetricSums, std::map<std::string, int>> measured(const StepCase& one,
                                                           const MeasureOptions& measures) {
  Model model(model_options_of(one), shape_of(one), 1, torch::kCPU);
  const ClientData data = client_for(one.task());
  const HostReads watch;
  MetricSums sums =
      measure_split(model, data.split(Split::val), measures, LossKind::cross_entropy, 5);
  return {std::move(sums), watch.found()};
}

/// Equal, or both of what is not defined.
bool alike(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

TEST(Evaluation, reads_back_once_by_the_paths_of_a_gpu_and_finds_the_same) {
  for (const std::string network : {"unet", "cnn"}) {
    StepCase one{network};
    for (const bool borders : {false, true}) {
      MeasureOptions measures{one.task(), 2};
      if (borders && one.task() == Task::segmentation) measures.names = {"dice", "hd95", "assd"};
      // The same kernels on both sides: whose they are is not what is tried here.
      const auto expected = [&] {
        Model model(
            [&] {
              ModelOptions options = model_options_of(one);
              options.kernels = Kernels::libtorch;
              return options;
            }(),
            shape_of(one), 1, torch::kCPU);
        return measure_split(model, client_for(one.task()).split(Split::val), measures,
                             LossKind::cross_entropy, 5);
      }();
      const GpuPaths paths;
      const auto [found, reads] = measured(one, measures);
      EXPECT_THAT(reads, testing::ElementsAre(testing::Pair("aten::_local_scalar_dense", 1)));
      EXPECT_TRUE(std::ranges::equal(found.samples().values, expected.samples().values, alike))
          << network;
      EXPECT_TRUE(std::ranges::equal(found.values(), expected.values(), [](auto& a, auto& b) {
        return a.first == b.first && alike(a.second, b.second);
      })) << network;
      EXPECT_FALSE(found.values().empty());
    }
  }
}

}  // namespace
}  // namespace harmofl
