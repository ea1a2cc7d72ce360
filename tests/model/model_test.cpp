// SPDX-License-Identifier: Apache-2.0
// Amplitude normalisation, a network and one buffer put together.
#include "model/model.hpp"

#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/memory.hpp"

#include <gmock/gmock.h>

#include <limits>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;
using testing::AllOf;
using testing::HasSubstr;

constexpr const char* amplitude_name = "amp_norm.running_amp";
constexpr std::int64_t amplitude_count = 3 * 16 * 16;

Model model_of(Band band, NormKind norm = NormKind::batch_stateless, bool channels_last = false) {
  ModelOptions options;
  options.network = {"unet", 2, norm};
  options.amplitude.band = band;
  options.channels_last = channels_last;
  return {options, test::segmentation_of(16, 16), 1, torch::kCPU};
}

torch::Tensor four_images() { return random_images({4, 3, 16, 16}, 1); }

TEST(Model, keeps_the_running_amplitude_at_the_end_of_its_state) {
  Model model = model_of(Band::full);
  const Slot& last = model.state().slots().back();
  EXPECT_EQ(last.name, amplitude_name);
  EXPECT_EQ(last.role, Role::buffer);
  EXPECT_EQ(last.count, amplitude_count);
  model.amplitude().observe(four_images());
  EXPECT_TRUE(same_bits(ParameterVector::view(model.state().state(), last),
                        model.amplitude().running_amplitude()));
  EXPECT_GT(model.amplitude().running_amplitude().max().item<double>(), 0.0);
}

TEST(ModelMemory, is_that_of_the_values_of_every_network_at_any_width) {
  for (const NetworkDefaults& network : network_defaults()) {
    const bool masks = network.name == "unet";
    const ProblemShape shape =
        masks ? test::segmentation_of(32, 32) : test::classification_of(32, 32);
    for (const bool projection : {false, true}) {
      for (const NormKind norm : {NormKind::batch, NormKind::batch_stateless}) {
        for (const std::int64_t width : {1, 6}) {
          if (network.name == "linear" && width > 1) continue;  // it has none
          ModelOptions options;
          options.network = {network.name, width, norm, projection};
          options.amplitude.band = Band::off;
          const Model model(options, shape, 1, torch::kCPU);
          EXPECT_EQ(model_memory_bytes(options.network, shape),
                    3.0 * sizeof(float) * static_cast<double>(model.state().state().numel()))
              << network.name << " of width " << width << ", projection " << projection;
        }
      }
    }
  }
}

TEST(ModelMemory, that_the_machine_does_not_have_is_refused_before_anything_is_made) {
  const ProblemShape shape = test::segmentation_of(32, 32);
  for (const std::int64_t width :
       {std::int64_t{1'000'000}, std::numeric_limits<std::int64_t>::max()}) {
    ModelOptions options;
    options.network.width = width;
    std::string message;
    const std::int64_t grown = test::memory_growth(
        [&] { message = test::user_error_of([&] { Model(options, shape, 1, torch::kCPU); }); });
    EXPECT_THAT(message, AllOf(HasSubstr(concat("model.width = ", width, ": unet takes ")),
                               HasSubstr(" TiB for its parameters"), HasSubstr("this machine has "),
                               HasSubstr("Lower model.width.")));
    EXPECT_LT(grown, 64 * test::mebibyte);
  }
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
  layer.observe(four_images());
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
  model.forward(four_images());
  EXPECT_TRUE(same_bits(model.state().state(), before));
  model.set_training(true);
  model.forward(four_images());
  EXPECT_FALSE(same_bits(model.state().state(), before));
}

TEST(Model, gives_the_logits_of_its_network_in_either_memory_format) {
  constexpr double tolerance = 1e-4;  ///< Tolerance of logits about 1, in either memory format.
  for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
    const auto network = make_network({"unet", 2, norm}, test::segmentation_of(16, 16), 1);
    const torch::Tensor expected = network->forward(four_images());
    for (const bool channels_last : {false, true}) {
      Model model = model_of(Band::off, norm, channels_last);
      EXPECT_EQ(model.state().slots().front().channels_last, channels_last);
      EXPECT_LT(distance(model.forward(four_images()), expected), tolerance);
    }
  }
}

}  // namespace
}  // namespace harmofl
