// SPDX-License-Identifier: Apache-2.0
// How the running amplitude moves, and when it does not.
#include "harmofl/base/error.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;

constexpr std::int64_t height = 12;
constexpr std::int64_t width = 16;
/// Of amplitudes, relative to the largest.
constexpr double running_tolerance = 1e-6;
const char* const active_bands[] = {"dc", "low:0.2", "full"};

AmplitudeOptions options_of(const std::string& band, double momentum = 0.1) {
  AmplitudeOptions options;
  parse_band(band, options);
  options.momentum = momentum;
  return options;
}

AmplitudeNormalization layer_of(const AmplitudeOptions& options) {
  return {options, 3, height, width};
}

torch::Tensor images(std::uint64_t seed) { return random_images({4, 3, height, width}, seed); }

/// R after one batch.
torch::Tensor amplitude_of(const AmplitudeOptions& options, const torch::Tensor& batch) {
  AmplitudeNormalization layer = layer_of(options);
  layer.observe(batch);
  return layer.running_amplitude().clone();
}

double relative_distance(const torch::Tensor& a, const torch::Tensor& b) {
  return distance(a, b) / b.abs().max().item<double>();
}

TEST(RunningAmplitude, moves_towards_each_batch_by_the_momentum) {
  for (const std::string band : active_bands) {
    for (const double v : {0.0, 0.1, 0.7, 1.0}) {
      SCOPED_TRACE(testing::Message() << band << ", momentum " << v);
      const AmplitudeOptions options = options_of(band, v);
      AmplitudeNormalization layer = layer_of(options);
      layer.observe(images(1));
      layer.observe(images(2) * 2.0);
      const torch::Tensor expected =
          (1.0 - v) * amplitude_of(options, images(1)) + v * amplitude_of(options, images(2) * 2.0);
      EXPECT_LT(relative_distance(layer.running_amplitude(), expected), running_tolerance);
    }
  }
}

TEST(RunningAmplitude, stays_that_of_the_first_batch_with_momentum_zero) {
  const AmplitudeOptions options = options_of("full", 0.0);
  AmplitudeNormalization layer = layer_of(options);
  for (const std::uint64_t seed : {1U, 2U, 3U}) layer.observe(images(seed));
  EXPECT_TRUE(same_bits(layer.running_amplitude(), amplitude_of(options, images(1))));
}

TEST(RunningAmplitude, is_that_of_the_last_batch_with_momentum_one) {
  const AmplitudeOptions options = options_of("full", 1.0);
  AmplitudeNormalization layer = layer_of(options);
  for (const std::uint64_t seed : {1U, 2U, 3U}) layer.observe(images(seed));
  EXPECT_TRUE(same_bits(layer.running_amplitude(), amplitude_of(options, images(3))));
}

TEST(RunningAmplitude, refuses_a_momentum_out_of_range) {
  for (const double v : {-0.1, 1.1}) {
    EXPECT_THROW(layer_of(options_of("dc", v)), UserError) << v;
  }
}

TEST(RunningAmplitude, moves_before_the_batch_is_normalised) {
  AmplitudeNormalization layer = layer_of(options_of("full", 0.5));
  layer.observe(images(1));
  const torch::Tensor seen = layer.observe(images(2));
  EXPECT_TRUE(same_bits(seen, layer.normalize(images(2))));
}

TEST(RunningAmplitude, does_not_move_in_evaluation) {
  for (const std::string band : active_bands) {
    AmplitudeNormalization layer = layer_of(options_of(band));
    layer.observe(images(1));
    const torch::Tensor before = layer.running_amplitude().clone();
    layer.normalize(images(2));
    EXPECT_TRUE(same_bits(layer.running_amplitude(), before)) << band;
  }
}

TEST(RunningAmplitude, does_not_move_once_frozen) {
  for (const std::string band : active_bands) {
    AmplitudeNormalization layer = layer_of(options_of(band));
    layer.observe(images(1));
    layer.freeze();
    const torch::Tensor before = layer.running_amplitude().clone();
    layer.begin_client();
    const torch::Tensor seen = layer.observe(images(2));
    EXPECT_TRUE(layer.frozen());
    EXPECT_TRUE(same_bits(layer.running_amplitude(), before)) << band;
    EXPECT_TRUE(same_bits(seen, layer.normalize(images(2)))) << band;
  }
}

TEST(RunningAmplitude, is_used_as_replaced_after_another_freeze) {
  for (const std::string band : active_bands) {
    const AmplitudeOptions options = options_of(band);
    AmplitudeNormalization layer = layer_of(options);
    layer.observe(images(1));
    layer.freeze();
    AmplitudeNormalization other = layer_of(options);
    other.observe(images(2) * 2.0);
    layer.running_amplitude().copy_(other.running_amplitude());
    layer.freeze();
    EXPECT_TRUE(same_bits(layer.normalize(images(3)), other.normalize(images(3)))) << band;
  }
}

TEST(RunningAmplitude, is_forgotten_when_the_next_client_begins) {
  for (const std::string band : active_bands) {
    const AmplitudeOptions options = options_of(band);
    AmplitudeNormalization layer = layer_of(options);
    layer.observe(images(1));
    layer.begin_client();
    layer.observe(images(2));
    EXPECT_TRUE(same_bits(layer.running_amplitude(), amplitude_of(options, images(2)))) << band;
  }
}

TEST(RunningAmplitude, moves_at_each_observation_however_often_the_caller_makes_one) {
  for (const bool every_pass : {false, true}) {
    AmplitudeOptions options = options_of("full", 0.5);
    options.update_every_pass = every_pass;
    AmplitudeNormalization layer = layer_of(options);
    layer.observe(images(1));
    layer.observe(images(2));
    layer.observe(images(2));
    const torch::Tensor expected =
        0.25 * amplitude_of(options, images(1)) + 0.75 * amplitude_of(options, images(2));
    EXPECT_LT(relative_distance(layer.running_amplitude(), expected), running_tolerance)
        << every_pass;
  }
}

TEST(RunningAmplitude, holds_all_frequencies_of_dc_when_the_spectrum_is_recorded) {
  AmplitudeOptions recording = options_of("dc");
  recording.record_spectrum = true;
  const torch::Tensor recorded = amplitude_of(recording, images(1));
  EXPECT_LT(relative_distance(recorded, amplitude_of(options_of("full"), images(1))),
            running_tolerance);
  const torch::Tensor mean_only = amplitude_of(options_of("dc"), images(1));
  EXPECT_EQ(mean_only.count_nonzero().item<std::int64_t>(), 3) << "one number a channel";
}

TEST(RunningAmplitude, changes_no_image_by_being_recorded) {
  AmplitudeOptions options = options_of("dc");
  AmplitudeNormalization plain = layer_of(options);
  options.record_spectrum = true;
  AmplitudeNormalization recording = layer_of(options);
  for (const std::uint64_t seed : {1U, 2U}) {
    EXPECT_LT(distance(plain.observe(images(seed)), recording.observe(images(seed))),
              running_tolerance);
  }
}

}  // namespace
}  // namespace harmofl
