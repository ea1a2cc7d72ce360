// SPDX-License-Identifier: Apache-2.0
#include "fl/local/evaluation.hpp"

#include "fl/small_federation.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::same_bits;

constexpr std::int64_t classes = 2;

Model model_of(Band band, NormKind norm) {
  ModelOptions options;
  options.network = {"unet", 2, norm};
  options.amplitude.band = band;
  return {options, test::segmentation_of(32, 32), 1, torch::kCPU};
}

MetricValues evaluate_split(Model& model, const Samples& samples, std::int64_t batch_size) {
  return evaluate(model, samples, Task::segmentation, classes, LossKind::cross_entropy, batch_size);
}

TEST(Spread, is_the_mean_and_the_sample_standard_deviation) {
  const Spread of_three = spread({1.0, 2.0, 6.0});
  EXPECT_DOUBLE_EQ(of_three.mean, 3.0);
  EXPECT_DOUBLE_EQ(of_three.std.value(), std::sqrt((4.0 + 1.0 + 9.0) / 2.0));
}

TEST(Spread, of_one_value_or_none_is_zero) {
  EXPECT_EQ(spread({4.0}).mean, 4.0);
  EXPECT_EQ(spread({4.0}).std, std::nullopt) << "one value has no spread";
  EXPECT_EQ(spread({}).mean, 0.0);
}

TEST(Evaluate, measures_the_logits_of_a_split) {
  const ClientData client = test::unequal_sites(1).clients.front();
  const Samples& samples = client.split(Split::train);
  Model model = model_of(Band::off, NormKind::group);
  model.set_training(false);
  const torch::Tensor targets = samples.targets.to(torch::kInt64);
  const torch::Tensor logits =
      model.forward(samples.images.to(torch::kFloat32) / samples.intensity_scale);
  MetricSums expected(Task::segmentation, classes);
  expected.add(logits, targets, cross_entropy(logits, targets).item<double>());
  const MetricValues values = evaluate_split(model, samples, samples.count());
  for (const auto& [name, value] : expected.values()) {
    EXPECT_NEAR(values.at(name), value, 1e-6) << name;
  }
}

TEST(Evaluate, does_not_depend_on_the_batch_size_without_batch_statistics) {
  const ClientData client = test::unequal_sites(1).clients.front();
  Model model = model_of(Band::off, NormKind::group);
  const MetricValues one = evaluate_split(model, client.split(Split::train), 1);
  const MetricValues five = evaluate_split(model, client.split(Split::train), 5);
  for (const auto& [name, value] : one) EXPECT_NEAR(five.at(name), value, 1e-6) << name;
}

TEST(Evaluate, leaves_the_model_as_it_was) {
  const ClientData client = test::unequal_sites(1).clients.front();
  Model model = model_of(Band::full, NormKind::batch);
  model.amplitude().observe(client.split(Split::train).images.to(torch::kFloat32) / 255.0);
  const torch::Tensor before = model.state().state().clone();
  evaluate_split(model, client.split(Split::val), 2);
  EXPECT_TRUE(same_bits(model.state().state(), before));
}

TEST(Evaluate, sees_images_with_the_running_amplitude) {
  const ClientData client = test::unequal_sites(1).clients.front();
  Model plain = model_of(Band::off, NormKind::group);
  Model normalising = model_of(Band::full, NormKind::group);
  normalising.amplitude().observe(torch::rand({2, 3, 32, 32}));
  EXPECT_NE(evaluate_split(plain, client.split(Split::val), 2).at("loss"),
            evaluate_split(normalising, client.split(Split::val), 2).at("loss"));
}

TEST(Evaluate, gives_nothing_for_an_empty_split) {
  Model model = model_of(Band::off, NormKind::group);
  EXPECT_TRUE(evaluate_split(model, Samples{}, 2).empty());
}

}  // namespace
}  // namespace harmofl
