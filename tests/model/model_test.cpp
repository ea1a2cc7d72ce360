// SPDX-License-Identifier: Apache-2.0
// Amplitude normalisation, a network and one buffer put together.
#include "model/model.hpp"

#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;

constexpr const char* amplitude_name = "amp_norm.running_amp";
constexpr std::int64_t amplitude_count = 3 * 16 * 16;

Model model_of(Band band, NormKind norm = NormKind::batch_stateless, bool channels_last = false) {
  ModelOptions options;
  options.network = {"unet", 2, norm};
  options.amplitude.band = band;
  options.channels_last = channels_last;
  return {options, test::segmentation_of(16, 16), 1, torch::kCPU};
}

torch::Tensor images() { return random_images({4, 3, 16, 16}, 1); }

TEST(Model, keeps_the_running_amplitude_at_the_end_of_its_state) {
  Model model = model_of(Band::full);
  const Slot& last = model.state().slots().back();
  EXPECT_EQ(last.name, amplitude_name);
  EXPECT_EQ(last.role, Role::buffer);
  EXPECT_EQ(last.count, amplitude_count);
  model.amplitude().observe(images());
  EXPECT_TRUE(same_bits(ParameterVector::view(model.state().state(), last),
                        model.amplitude().running_amplitude()));
  EXPECT_GT(model.amplitude().running_amplitude().max().item<double>(), 0.0);
}

TEST(Model, has_no_amplitude_when_the_band_is_off) {
  const Model model = model_of(Band::off);
  EXPECT_NE(model.state().slots().back().name, amplitude_name);
  EXPECT_EQ(model.aggregated_count(), model.state().state().numel());
}

TEST(Model, aggregates_the_amplitude_until_it_is_frozen) {
  Model model = model_of(Band::full);
  const std::int64_t all = model.state().state().numel();
  EXPECT_EQ(model.aggregated_count(), all);
  model.amplitude().freeze();
  EXPECT_EQ(model.aggregated_count(), all - amplitude_count);
  EXPECT_EQ(model.aggregated_count(), model.network_count());
}

TEST(Model, normalises_with_the_amplitude_that_its_state_holds) {
  Model model = model_of(Band::full);
  AmplitudeNormalization layer({.band = Band::full}, 3, 16, 16);
  layer.observe(images());
  const torch::Tensor state = model.state().state();
  state.narrow(0, state.numel() - amplitude_count, amplitude_count)
      .copy_(layer.running_amplitude().flatten());
  model.amplitude().freeze();
  const torch::Tensor other = random_images({2, 3, 16, 16}, 2);
  EXPECT_TRUE(same_bits(model.amplitude().normalize(other), layer.normalize(other)));
}

TEST(Model, counts_its_trained_parameters) {
  const Model model = model_of(Band::full, NormKind::batch);
  std::int64_t expected = 0;
  for (const Slot& slot : model.state().slots()) {
    if (slot.role == Role::parameter) expected += slot.count;
  }
  EXPECT_EQ(model.parameter_count(), expected);
  EXPECT_LT(expected, model.state().state().numel() - amplitude_count) << "running statistics";
}

TEST(Model, moves_running_statistics_in_training_only) {
  Model model = model_of(Band::off, NormKind::batch);
  const torch::Tensor before = model.state().state().clone();
  model.set_training(false);
  model.forward(images());
  EXPECT_TRUE(same_bits(model.state().state(), before));
  model.set_training(true);
  model.forward(images());
  EXPECT_FALSE(same_bits(model.state().state(), before));
}

TEST(Model, gives_the_logits_of_its_network_in_either_memory_format) {
  constexpr double tolerance = 1e-4;  ///< Tolerance of logits about 1, in either memory format.
  for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
    const auto network = make_network({"unet", 2, norm}, test::segmentation_of(16, 16), 1);
    const torch::Tensor expected = network->forward(images());
    for (const bool channels_last : {false, true}) {
      Model model = model_of(Band::off, norm, channels_last);
      EXPECT_EQ(model.state().slots().front().channels_last, channels_last);
      EXPECT_LT(distance(model.forward(images()), expected), tolerance);
    }
  }
}

}  // namespace
}  // namespace harmofl
