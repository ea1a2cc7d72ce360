// SPDX-License-Identifier: Apache-2.0
// The local work of one client, against the same steps written out.
#include "fl/local/local_trainer.hpp"

#include "fl/poisoning_recorder.hpp"
#include "fl/small_federation.hpp"
#include "harmofl/base/error.hpp"
#include "io/samples.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <memory>
#include <set>
#include <string>

namespace harmofl {
namespace {

using test::distance;
using test::same_bits;

constexpr std::int64_t batch_size = 5;  ///< Batch size for 12 samples: batches of 5, 5 and 2.

ModelOptions model_options(double momentum = 0.5, bool every_pass = false) {
  ModelOptions options;
  options.network = {"unet", 2, NormKind::batch};
  options.amplitude.band = Band::full;
  options.amplitude.momentum = momentum;
  options.amplitude.update_every_pass = every_pass;
  return options;
}

LocalOptions plain_options(double alpha = 0.0) {
  LocalOptions options;
  options.perturbation.alpha = alpha;
  options.batches.batch_size = batch_size;
  options.shuffle = false;
  return options;
}

const ClientData& client() {
  static const ClientData data = test::unequal_sites(1).clients.front();
  return data;
}

/// The model after training, and what was reported.
struct Trained {
  Trained(const ModelOptions& model_options, const LocalOptions& options, std::int64_t round = 0)
      : model(model_options, test::segmentation_of(32, 32), 1, torch::kCPU) {
    Algorithm plain;
    LocalTrainer trainer(model, plain, options);
    NamedState state;
    report = trainer.train(client(), {RoundId{round}, ClientId{0}, 7}, state, {});
  }
  Model model;
  ClientReport report;
};

/// The images of a batch in stored order, divided by their scale, and the masks.
std::pair<torch::Tensor, torch::Tensor> batch(std::int64_t index) {
  const Samples& samples = client().split(Split::train);
  const std::int64_t first = index * batch_size;
  const std::int64_t count = std::min(batch_size, samples.count() - first);
  return {samples.images.narrow(0, first, count).to(torch::kFloat32) / 255.0,
          samples.targets.narrow(0, first, count).to(torch::kInt64)};
}

TEST(LocalTrainer, starts_from_the_callers_tensor_as_from_a_copy_of_its_own) {
  LocalOptions options = plain_options();
  options.measure = true;
  const Trained copied(model_options(), options);
  Model model(model_options(), test::segmentation_of(32, 32), 1, torch::kCPU);
  const torch::Tensor start = model.state().state().clone();
  const torch::Tensor before = start.clone();
  Algorithm plain;
  LocalTrainer trainer(model, plain, options);
  NamedState state;
  const ClientReport report =
      trainer.train(client(), {RoundId{0}, ClientId{0}, 7}, state, {}, start);
  EXPECT_GT(report.drift, 0.0);
  EXPECT_EQ(report.drift, copied.report.drift);
  EXPECT_TRUE(same_bits(report.update, copied.report.update));
  EXPECT_TRUE(same_bits(start, before));
}

TEST(LocalTrainer, takes_one_step_a_batch_in_stored_order) {
  const LocalOptions options = plain_options();
  const Trained trained(model_options(), options);
  Model model(model_options(), test::segmentation_of(32, 32), 1, torch::kCPU);
  const Optimizer optimizer(options.optimizer);
  NamedState state;
  double loss_sum = 0.0;
  for (std::int64_t i = 0; i < 3; ++i) {
    const auto [images, masks] = batch(i);
    model.state().gradients().zero_();
    const torch::Tensor value =
        loss(options.loss, model.forward(model.amplitude().observe(images)), masks);
    value.backward();
    loss_sum += value.item<double>();
    optimizer.step(model.state(), state);
  }
  EXPECT_TRUE(same_bits(trained.model.state().state(), model.state().state()));
  EXPECT_EQ(trained.report.steps, 3);
  EXPECT_NEAR(trained.report.loss, loss_sum / 3.0, 1e-6);
}

TEST(LocalTrainer, counts_the_steps_of_all_local_epochs) {
  LocalOptions options = plain_options();
  options.local_epochs = 2;
  options.batches.max_samples = 7;
  EXPECT_EQ(Trained(model_options(), options).report.steps, 2 * 2);
}

TEST(LocalTrainer, counts_two_gradients_a_perturbed_step_and_one_a_plain_one) {
  const ClientReport plain = Trained(model_options(), plain_options()).report;
  EXPECT_EQ(plain.gradients, plain.steps);
  const ClientReport perturbed = Trained(model_options(), plain_options(/*alpha=*/0.05)).report;
  EXPECT_EQ(perturbed.gradients, 2 * perturbed.steps);
}

TEST(LocalTrainer, moves_the_running_amplitude_once_a_batch_or_in_every_pass) {
  LocalOptions options = plain_options(/*alpha=*/0.05);
  options.batches.max_samples = 2 * batch_size;
  const auto amplitude = [](std::int64_t index) {
    return torch::fft::fft2(batch(index).first.to(torch::kFloat64)).abs().mean(0);
  };
  for (const bool every_pass : {false, true}) {
    Trained trained(model_options(0.5, every_pass), options);
    // Once: (A1 + A2) / 2. In every pass: A1, A1, (A1 + A2) / 2, A1 / 4 + 3 A2 / 4.
    const double second = every_pass ? 0.75 : 0.5;
    const torch::Tensor expected = (1.0 - second) * amplitude(0) + second * amplitude(1);
    EXPECT_LT(distance(trained.model.amplitude().running_amplitude(), expected),
              1e-6 * expected.max().item<double>())
        << "every pass " << every_pass;
  }
}

TEST(LocalTrainer, draws_another_order_every_round) {
  LocalOptions options = plain_options();
  options.shuffle = true;
  const Trained first(model_options(), options);
  const Trained again(model_options(), options);
  const Trained next_round(model_options(), options, 1);
  EXPECT_TRUE(same_bits(first.model.state().state(), again.model.state().state()));
  EXPECT_FALSE(same_bits(first.model.state().state(), next_round.model.state().state()));
}

TEST(LocalTrainer, refuses_a_site_without_training_samples) {
  Model model(model_options(), test::segmentation_of(32, 32), 1, torch::kCPU);
  Algorithm plain;
  LocalTrainer trainer(model, plain, plain_options());
  ClientData nobody = client();
  nobody.split(Split::train) = {};
  NamedState state;
  EXPECT_THAT(test::user_error_of([&] { trainer.train(nobody, {}, state, {}); }),
              testing::HasSubstr("site site_0 has no training samples"));
}

/// What is said when `method` shall be recorded.
std::string graph_refusal(const std::string& method) {
  LocalOptions options = plain_options();
  options.graphs = true;
  try {
    check_graphs(options, find_algorithm(method).make.plain_gradient);
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

TEST(LocalTrainer, records_the_step_of_methods_that_leave_the_local_objective_as_it_is) {
  const std::set<std::string> additive{"ditto", "feddyn", "fedprox", "moon", "scaffold"};
  for (const std::string& method : algorithm_names()) {
    EXPECT_EQ(graph_refusal(method).empty(), !additive.contains(method)) << method;
  }
  EXPECT_THAT(graph_refusal("fedprox"), testing::HasSubstr("--device.graphs false"));
}

TEST(LocalTrainer, takes_a_method_that_no_maker_made_for_one_that_adds_to_the_objective) {
  LocalOptions options = plain_options();
  EXPECT_NO_THROW(check_graphs(options, Algorithm().plain_gradient()));
  options.graphs = true;
  EXPECT_THROW(check_graphs(options, Algorithm().plain_gradient()), UserError);
}

TEST(LocalTrainer, works_in_both_passes_on_what_the_recorder_hands_it) {
  LocalOptions options = plain_options(/*alpha=*/0.05);
  options.local_epochs = 2;
  for (const Band band : {Band::off, Band::dc, Band::full}) {
    for (const bool every_pass : {false, true}) {
      ModelOptions with = model_options(0.5, every_pass);
      with.amplitude.band = band;
      const Trained expected(with, options);
      Model model(with, test::segmentation_of(32, 32), 1, torch::kCPU);
      Algorithm plain;
      test::PoisoningRecorder::Seen seen;
      LocalTrainer trainer(model, plain, options, std::make_unique<test::PoisoningRecorder>(seen));
      NamedState state;
      trainer.train(client(), {RoundId{0}, ClientId{0}, 7}, state, {});
      EXPECT_TRUE(same_bits(model.state().state(), expected.model.state().state()))
          << "band " << static_cast<int>(band) << ", every pass " << every_pass;
    }
  }
}

/// Takes a further step on every batch, as Ditto does.
class TwoSteps final : public Algorithm {
 public:
  void after_step(ClientWork& work) override { work.step("further."); }
};

TEST(LocalTrainer, takes_a_further_step_on_the_images_of_the_last_pass) {
  LocalOptions options = plain_options(/*alpha=*/0.05);
  options.batches.max_samples = batch_size;
  Model model(model_options(0.5, /*every_pass=*/true), test::segmentation_of(32, 32), 1,
              torch::kCPU);
  TwoSteps method;
  LocalTrainer trainer(model, method, options);
  NamedState state;
  trainer.train(client(), {RoundId{0}, ClientId{0}, 7}, state, {});

  // The same written out: R moves in the two passes of the first step, and no more.
  Model expected(model_options(0.5, true), test::segmentation_of(32, 32), 1, torch::kCPU);
  const auto [images, masks] = batch(0);
  const torch::Tensor first = expected.amplitude().observe(images);
  const torch::Tensor second = expected.amplitude().observe(images);
  torch::Tensor delta = torch::empty_like(expected.state().gradients());
  const Optimizer optimizer(options.optimizer);
  NamedState moments;
  const auto gradient = [&](const torch::Tensor& seen) {
    expected.state().gradients().zero_();
    loss(options.loss, expected.forward(seen), masks).backward();
  };
  const auto step = [&](const torch::Tensor& one, const torch::Tensor& two, const char* prefix) {
    gradient(one);
    perturb(expected.state(), options.perturbation, delta);
    gradient(two);
    optimizer.step(expected.state(), moments, prefix, delta);
  };
  step(first, second, "optimizer.");
  step(second, second, "further.");
  EXPECT_TRUE(same_bits(model.state().state(), expected.state().state()));
}

TEST(LocalTrainer, trains_in_bf16_near_to_fp32_with_weights_in_float32) {
  constexpr double tolerance =
      0.02;  ///< Part of the update's largest change, see the test of precision.
  LocalOptions options = plain_options(/*alpha=*/0.05);
  options.local_epochs = 2;
  ModelOptions bf16 = model_options();
  bf16.precision = Precision::bf16;
  const Trained full(model_options(), options);
  const Trained half(bf16, options);
  EXPECT_EQ(half.model.state().state().scalar_type(), torch::kFloat32);
  EXPECT_FALSE(same_bits(half.model.state().parameters(), full.model.state().parameters()));
  EXPECT_LT(distance(half.model.state().parameters(), full.model.state().parameters()), tolerance);
  EXPECT_NEAR(half.report.loss, full.report.loss, tolerance * full.report.loss);
}

/// Trains so many rounds with one client's state, which it returns, and the model.
std::pair<torch::Tensor, NamedState> train_rounds(const LocalOptions& options, std::int64_t rounds,
                                                  NamedState state = {}) {
  ModelOptions model_with_norm = model_options();
  model_with_norm.amplitude.band = Band::off;
  Model model(model_with_norm, test::segmentation_of(32, 32), 1, torch::kCPU);
  Algorithm plain;
  LocalTrainer trainer(model, plain, options);
  for (std::int64_t round = 0; round < rounds; ++round) {
    trainer.train(client(), {RoundId{round}, ClientId{0}, 7}, state, {});
  }
  return {model.state().state().clone(), state};
}

LocalOptions drawn_options(std::int64_t steps) {
  LocalOptions options = plain_options();
  options.shuffle = true;
  options.batches.augment = true;
  options.local_steps = steps;
  return options;
}

TEST(LocalSteps, as_many_as_batches_are_an_epoch_a_round) {
  const auto epochs = train_rounds(drawn_options(0), 3).first;
  EXPECT_TRUE(same_bits(train_rounds(drawn_options(3), 3).first, epochs));
  EXPECT_FALSE(same_bits(train_rounds(drawn_options(2), 3).first, epochs));
}

TEST(LocalSteps, go_on_where_the_last_round_ended) {
  const auto [at_once, state] = train_rounds(drawn_options(14), 1);
  EXPECT_TRUE(same_bits(train_rounds(drawn_options(2), 7).first, at_once));
  EXPECT_TRUE(same_bits(train_rounds(drawn_options(7), 2).first, at_once));
  EXPECT_TRUE(same_bits(state.get(steps_taken_name), torch::tensor({0.0F, 14.0F})));
}

TEST(LocalSteps, are_counted_beyond_what_float32_counts) {
  NamedState many;
  many.tensor(steps_taken_name, torch::zeros({2})).copy_(torch::tensor({3.0F, 16777215.0F}));
  const auto [after, state] = train_rounds(drawn_options(2), 1, many);
  EXPECT_TRUE(same_bits(state.get(steps_taken_name), torch::tensor({4.0F, 1.0F})));
}

}  // namespace
}  // namespace harmofl
