// SPDX-License-Identifier: Apache-2.0
// Amplitude normalisation by this project's kernels against libtorch's operations, of batches in
// both memory formats.
#include "kernels/image/plane_means.hpp"
#include "kernels/image/spectrum.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/amplitude_oracle.hpp"
#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <vector>

namespace harmofl {
namespace {

using test::distance;
using test::OracleAmplitude;
using test::same_bits;

constexpr auto row_major = torch::MemoryFormat::Contiguous;
constexpr auto channels_last = torch::MemoryFormat::ChannelsLast;
/// Of float64 transforms rounded to float32, for values about 1.
constexpr double pixel_tolerance = 2e-7;

const char* const bands[] = {"dc", "low:0.05", "low:0.3", "full"};
const std::vector<std::int64_t> shapes[] = {{1, 3, 4, 4},   {4, 3, 16, 16}, {5, 1, 15, 17},
                                            {2, 3, 33, 20}, {3, 4, 12, 9},  {40, 3, 96, 96}};

AmplitudeOptions options_of(const std::string& band) {
  AmplitudeOptions options;
  parse_band(band, options);
  return options;
}

/// Intensities of 8 bits, as the network sees them: their sums are exact.
torch::Tensor photographs(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randint(0, 256, shape).to(torch::kFloat32).div(torch::full({}, 255.0F));
}

/// Calls `check(options, shape, format)` for all of them.
template <class Check>
void for_all_cases(const Check& check) {
  for (const std::string band : bands) {
    for (const auto& shape : shapes) {
      for (const auto format : {row_major, channels_last}) {
        SCOPED_TRACE(testing::Message() << band << " on " << torch::IntArrayRef(shape)
                                        << (format == row_major ? "" : ", channels last"));
        check(options_of(band), shape, format);
      }
    }
  }
}

AmplitudeNormalization layer_of(const AmplitudeOptions& options,
                                const std::vector<std::int64_t>& shape) {
  return {options, shape[1], shape[2], shape[3]};
}

TEST(AmplitudeKernels, equal_libtorch_while_the_amplitude_moves_and_once_it_is_frozen) {
  for_all_cases([](const AmplitudeOptions& options, const auto& shape, auto format) {
    AmplitudeNormalization layer = layer_of(options, shape);
    OracleAmplitude oracle(options, photographs(shape, 1));
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const torch::Tensor images = photographs(shape, seed).square();
      const torch::Tensor seen = layer.observe(images.contiguous(format));
      EXPECT_LT(distance(seen, oracle.observe(images)), pixel_tolerance * 4) << seed;
      const double largest = oracle.running_amplitude().max().item<double>();
      EXPECT_LT(distance(layer.running_amplitude(), oracle.running_amplitude()), 1e-6 * largest);
    }
    layer.running_amplitude().copy_(oracle.running_amplitude());
    layer.freeze();
    const torch::Tensor images = photographs(shape, 4);
    const torch::Tensor seen = layer.observe(images.contiguous(format));
    EXPECT_LT(distance(seen, oracle.normalize(images)), pixel_tolerance * 4);
  });
}

TEST(AmplitudeKernels, have_the_bits_of_libtorch_for_dc_on_images_of_8_bits) {
  for (const auto& shape : shapes) {
    for (const auto format : {row_major, channels_last}) {
      AmplitudeNormalization layer = layer_of(options_of("dc"), shape);
      OracleAmplitude oracle(options_of("dc"), photographs(shape, 1));
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        const torch::Tensor images = photographs(shape, seed) - (seed == 3 ? 1.0 : 0.0);
        const torch::Tensor seen = layer.observe(images.contiguous(format));
        EXPECT_TRUE(same_bits(seen, oracle.observe(images))) << torch::IntArrayRef(shape);
        EXPECT_TRUE(same_bits(layer.running_amplitude(), oracle.running_amplitude()));
      }
    }
  }
}

TEST(AmplitudeKernels, give_images_in_the_memory_format_that_they_came_in_with_the_same_bits) {
  for_all_cases([](const AmplitudeOptions& options, const auto& shape, auto format) {
    AmplitudeNormalization layer = layer_of(options, shape);
    AmplitudeNormalization rows = layer_of(options, shape);
    for (int pass = 0; pass < 2; ++pass) {
      const torch::Tensor images = photographs(shape, 1);
      const torch::Tensor seen = layer.observe(images.contiguous(format));
      EXPECT_TRUE(seen.is_contiguous(format));
      EXPECT_TRUE(same_bits(seen, rows.observe(images))) << pass;
      layer.freeze();
      rows.freeze();
    }
  });
}

TEST(AmplitudeKernels, take_images_that_are_dense_in_neither_format) {
  for (const std::string band : bands) {
    const torch::Tensor wide = photographs({2, 3, 16, 24}, 1);
    const torch::Tensor part = wide.narrow(3, 4, 16);
    AmplitudeNormalization layer = layer_of(options_of(band), {2, 3, 16, 16});
    AmplitudeNormalization other = layer_of(options_of(band), {2, 3, 16, 16});
    EXPECT_TRUE(same_bits(layer.observe(part), other.observe(part.contiguous()))) << band;
  }
}

// But for libtorch's inverse transform, whose last bits in float64 do depend on it.
TEST(AmplitudeKernels, do_not_depend_on_the_number_of_threads) {
  const int before = at::get_num_threads();
  for_all_cases([](const AmplitudeOptions& options, const auto& shape, auto format) {
    const torch::Tensor images = test::random_images(shape, 1).contiguous(format);
    std::vector<torch::Tensor> seen, running;
    for (const int threads : {1, 3}) {
      at::set_num_threads(threads);
      AmplitudeNormalization layer = layer_of(options, shape);
      seen.push_back(layer.observe(images));
      running.push_back(layer.running_amplitude());
    }
    EXPECT_TRUE(same_bits(running[0], running[1]));
    if (options.band == Band::dc) {
      EXPECT_TRUE(same_bits(seen[0], seen[1]));
    } else {
      EXPECT_LT(distance(seen[0], seen[1]), pixel_tolerance);
    }
  });
  at::set_num_threads(before);
}

TEST(AmplitudeKernels, take_frequencies_of_any_size_and_none) {
  const double huge = 1e200, tiny = 1e-200, nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> spectrum{3.0,       4.0,      0.0,      0.0,  3 * huge,
                                     -4 * huge, 3 * tiny, 4 * tiny, -1.0, 0.0};
  std::vector<double> sums(5, 1.0);
  add_amplitudes(spectrum.data(), 5, sums.data());
  EXPECT_THAT(sums, testing::ElementsAre(6.0, 1.0, testing::DoubleEq(5 * huge), 1.0, 2.0));

  std::vector<double> replaced = spectrum;
  const std::vector<double> wanted(5, 10.0);
  replace_amplitudes(wanted.data(), 5, replaced.data());
  using testing::DoubleEq;
  EXPECT_THAT(replaced,
              testing::ElementsAre(DoubleEq(6.0), DoubleEq(8.0), 10.0, 0.0, DoubleEq(6.0),
                                   DoubleEq(-8.0), DoubleEq(6.0), DoubleEq(8.0), -10.0, 0.0));
  std::vector<double> unknown{nan, 0.0};
  add_amplitudes(unknown.data(), 1, sums.data());
  EXPECT_TRUE(std::isnan(sums[0])) << "a broken image must not look whole";
}

TEST(PlaneMeans, add_up_every_pixel_of_every_length_and_number_of_channels) {
  for (const std::int64_t channels : {1, 2, 3, 5}) {
    for (const std::int64_t pixels : {1, 5, 16, 31, 1000}) {
      const torch::Tensor images = photographs({pixels, channels}, 1);
      std::vector<double> sums(static_cast<std::size_t>(channels), -1.0);
      sum_planes(images.const_data_ptr<float>(), pixels, channels, sums.data());
      const torch::Tensor expected = images.to(torch::kFloat64).sum(0);
      torch::Tensor shifted = torch::empty_like(images);
      shift_planes(images.const_data_ptr<float>(), sums.data(), pixels, channels,
                   shifted.data_ptr<float>());
      for (std::int64_t c = 0; c < channels; ++c) {
        EXPECT_EQ(sums[static_cast<std::size_t>(c)], expected[c].item<double>());
      }
      EXPECT_TRUE(same_bits(shifted, (images + expected).to(torch::kFloat32)));
    }
  }
}

}  // namespace
}  // namespace harmofl
