// SPDX-License-Identifier: Apache-2.0
// What amplitude normalisation makes of images. The oracle is the definition word for word
// (method.md, section 2): the whole complex spectrum in float64, angles and exponentials, and a
// band that is cut from the shifted spectrum.
#include "harmofl/base/error.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;

/// float32 transforms of images with values about 1 are this exact.
constexpr double image_tolerance = 2e-5;
/// The same for amplitudes, relative to the largest.
constexpr double amplitude_tolerance = 1e-6;

struct Size {
  std::int64_t height, width;
};
constexpr Size sizes[] = {{16, 16}, {12, 20}, {20, 12}, {15, 17}, {17, 15}, {16, 15}, {15, 16}};
const char* const bands[] = {"dc", "low:0.05", "low:0.1", "low:0.3", "low:0.49", "full"};

AmplitudeNormalization layer_of(const std::string& band, Size size) {
  AmplitudeOptions options;
  parse_band(band, options);
  return {options, 3, size.height, size.width};
}

/// Half-width of a band, from its text.
std::int64_t half_width(const std::string& band, Size size) {
  if (band == "dc") return 0;
  const double fraction = std::stod(band.substr(band.find(':') + 1));
  return static_cast<std::int64_t>(
      std::floor(static_cast<double>(std::min(size.height, size.width)) * fraction));
}

/// True where amplitudes are replaced, [H, W], zero frequency first.
torch::Tensor replaced(const std::string& band, Size size) {
  if (band == "full") return torch::ones({size.height, size.width}, torch::kBool);
  const std::int64_t b = half_width(band, size);
  torch::Tensor shifted = torch::zeros({size.height, size.width});
  shifted.narrow(0, size.height / 2 - b, 2 * b + 1)
      .narrow(1, size.width / 2 - b, 2 * b + 1)
      .fill_(1.0);
  return torch::fft::ifftshift(shifted).to(torch::kBool);
}

torch::Tensor spectrum_of(const torch::Tensor& images) {
  return torch::fft::fft2(images.to(torch::kFloat64));
}

torch::Tensor mean_amplitude(const torch::Tensor& images) {
  return spectrum_of(images).abs().mean(0);
}

/// Re FFT2^-1(R' e^{iP}), with R' = `amplitude` in the band and A outside.
torch::Tensor oracle(const torch::Tensor& images, const torch::Tensor& amplitude,
                     const torch::Tensor& in_band) {
  const torch::Tensor spectrum = spectrum_of(images);
  const torch::Tensor wanted = torch::where(in_band, amplitude, spectrum.abs());
  return torch::real(torch::fft::ifft2(torch::polar(wanted, spectrum.angle())));
}

/// Calls `check(band, size)` for all of them.
template <class Check>
void for_all_bands_and_sizes(const Check& check) {
  for (const Size size : sizes) {
    for (const std::string band : bands) {
      SCOPED_TRACE(testing::Message() << band << " on " << size.height << "x" << size.width);
      check(band, size);
    }
  }
}

TEST(AmplitudeBand, equals_the_definition_on_the_first_batch) {
  for_all_bands_and_sizes([](const std::string& band, Size size) {
    AmplitudeNormalization layer = layer_of(band, size);
    const torch::Tensor images = random_images({4, 3, size.height, size.width}, 1);
    const torch::Tensor expected = oracle(images, mean_amplitude(images), replaced(band, size));
    EXPECT_LT(distance(layer.observe(images), expected), image_tolerance);
  });
}

TEST(AmplitudeBand, equals_the_definition_on_images_of_another_scanner) {
  for_all_bands_and_sizes([](const std::string& band, Size size) {
    AmplitudeNormalization layer = layer_of(band, size);
    const torch::Tensor seen = random_images({4, 3, size.height, size.width}, 1);
    const torch::Tensor other = random_images({3, 3, size.height, size.width}, 2).square() * 0.5;
    layer.observe(seen);
    const torch::Tensor expected = oracle(other, mean_amplitude(seen), replaced(band, size));
    EXPECT_LT(distance(layer.normalize(other), expected), image_tolerance);
    EXPECT_GT(distance(expected, other), 100 * image_tolerance) << "the case shows nothing";
  });
}

TEST(AmplitudeBand, keeps_the_phase_of_images_with_a_negative_mean) {
  for_all_bands_and_sizes([](const std::string& band, Size size) {
    AmplitudeNormalization layer = layer_of(band, size);
    const torch::Tensor seen = random_images({4, 3, size.height, size.width}, 1);
    const torch::Tensor negative = seen - 1.5;
    layer.observe(seen);
    const torch::Tensor expected = oracle(negative, mean_amplitude(seen), replaced(band, size));
    EXPECT_LT(expected.mean().item<double>(), -0.4);
    EXPECT_LT(distance(layer.normalize(negative), expected), image_tolerance);
  });
}

TEST(AmplitudeBand, gives_phase_zero_to_frequencies_that_are_exactly_zero) {
  for_all_bands_and_sizes([](const std::string& band, Size size) {
    AmplitudeNormalization layer = layer_of(band, size);
    const torch::Tensor seen = random_images({4, 3, size.height, size.width}, 1);
    const torch::Tensor black = torch::zeros({1, 3, size.height, size.width});
    layer.observe(seen);
    const torch::Tensor amplitude = mean_amplitude(seen);
    const torch::Tensor in_band = replaced(band, size);
    const torch::Tensor expected = torch::real(torch::fft::ifft2(
        torch::where(in_band, amplitude, torch::zeros_like(amplitude)).to(torch::kComplexDouble)));
    EXPECT_LT(distance(layer.normalize(black), expected.unsqueeze(0)), image_tolerance);
  });
}

TEST(AmplitudeBand, records_the_mean_amplitude_of_all_frequencies) {
  for_all_bands_and_sizes([](const std::string& band, Size size) {
    AmplitudeNormalization layer = layer_of(band, size);
    const torch::Tensor images = random_images({4, 3, size.height, size.width}, 1);
    layer.observe(images);
    torch::Tensor expected = mean_amplitude(images);
    if (band == "dc") expected = expected * replaced(band, size);  // nothing else is recorded
    const double largest = expected.max().item<double>();
    EXPECT_LT(distance(layer.running_amplitude(), expected), amplitude_tolerance * largest);
  });
}

TEST(AmplitudeBand, dc_equals_low_with_a_half_width_of_zero) {
  const Size size{16, 24};
  const std::string low = "low:0.01";
  ASSERT_EQ(half_width(low, size), 0);
  AmplitudeNormalization by_mean = layer_of("dc", size);
  AmplitudeNormalization by_fft = layer_of(low, size);
  for (const double offset : {0.0, -0.5, -1.5}) {
    const torch::Tensor images = random_images({4, 3, size.height, size.width}, 3) + offset;
    EXPECT_LT(distance(by_mean.observe(images), by_fft.observe(images)), image_tolerance);
  }
}

TEST(AmplitudeBand, off_gives_the_very_same_images) {
  AmplitudeNormalization layer = layer_of("off", {16, 16});
  const torch::Tensor images = random_images({2, 3, 16, 16}, 1);
  EXPECT_FALSE(layer.active());
  EXPECT_TRUE(layer.observe(images).is_same(images));
  EXPECT_TRUE(layer.normalize(images).is_same(images));
}

TEST(AmplitudeBand, needs_no_gradient) {
  AmplitudeNormalization layer = layer_of("full", {16, 16});
  const torch::Tensor images = random_images({2, 3, 16, 16}, 1).requires_grad_();
  EXPECT_FALSE(layer.observe(images).requires_grad());
}

TEST(ParseBand, is_the_inverse_of_band_text) {
  for (const std::string text : {"off", "dc", "low:0.1", "low:0.025", "low:0.499", "full"}) {
    AmplitudeOptions options;
    parse_band(text, options);
    EXPECT_EQ(band_text(options), text);
  }
}

TEST(ParseBand, refuses_what_is_no_band_and_says_what_is) {
  AmplitudeOptions options;
  for (const std::string text : {"", "DC", "low", "full:1", "dc "}) {
    try {
      parse_band(text, options);
      ADD_FAILURE() << "'" << text << "' was accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), testing::HasSubstr("Known: off, dc, low:L, full"));
    }
  }
}

TEST(ParseBand, refuses_a_fraction_out_of_range_and_gives_an_example) {
  AmplitudeOptions options;
  for (const std::string text : {"low:", "low:0", "low:0.5", "low:-0.1", "low:0.1x", "low:nan"}) {
    try {
      parse_band(text, options);
      ADD_FAILURE() << "'" << text << "' was accepted";
    } catch (const UsageError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("amplitude.band = " + text),
                                               testing::HasSubstr("low:0.1")));
    }
  }
}

}  // namespace
}  // namespace harmofl
