// SPDX-License-Identifier: Apache-2.0
// The fast convolution against libtorch's in float64.
#include "kernels/conv/conv3x3.hpp"

#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

using test::distance;
using test::same_bits;

constexpr auto last = torch::MemoryFormat::ChannelsLast;

/// Images, weight and gradient of a convolution.
struct Case {
  torch::Tensor images, weight, gradient;

  Case(std::int64_t batch, std::int64_t height, std::int64_t width, std::int64_t inputs,
       std::int64_t outputs) {
    torch::manual_seed(1);
    images = torch::randn({batch, inputs, height, width}).contiguous(last);
    weight = torch::randn({outputs, inputs, 3, 3}).contiguous(last);
    gradient = torch::randn({batch, outputs, height, width}).contiguous(last);
  }
};

torch::Tensor reference_forward(const Case& c) {
  return at::conv2d(c.images.to(torch::kFloat64), c.weight.to(torch::kFloat64), {}, 1, 1);
}

std::tuple<torch::Tensor, torch::Tensor, torch::Tensor> reference_backward(const Case& c) {
  return at::convolution_backward(c.gradient.to(torch::kFloat64), c.images.to(torch::kFloat64),
                                  c.weight.to(torch::kFloat64), std::nullopt, {1, 1}, {1, 1},
                                  {1, 1}, false, {0, 0}, 1, std::array{true, true, false});
}

/// Rounding of sums of `terms` products of standard normal numbers.
double bound(std::int64_t terms) { return 3e-6 * std::sqrt(static_cast<double>(terms)); }

void expect_as_in_float64(const Case& c) {
  ASSERT_TRUE(has_fast_conv3x3(c.images, c.weight));
  const std::int64_t pixels = c.images.numel() / c.images.size(1);
  EXPECT_LT(distance(conv3x3_forward(c.images, c.weight), reference_forward(c)),
            bound(9 * c.images.size(1)));
  const auto [images, weight, bias] = reference_backward(c);
  EXPECT_LT(distance(conv3x3_backward_images(c.gradient, c.weight), images),
            bound(9 * c.gradient.size(1)));
  EXPECT_LT(distance(conv3x3_backward_weight(c.gradient, c.images, c.weight), weight),
            bound(pixels));
}

TEST(Conv3x3, computes_what_libtorch_does_for_even_and_odd_sides) {
  for (const auto& [height, width] : {std::pair{8, 8}, {7, 9}, {9, 6}, {1, 5}, {4, 1}, {1, 1}}) {
    SCOPED_TRACE(testing::Message() << height << "x" << width);
    expect_as_in_float64(Case(3, height, width, 32, 32));
  }
}

TEST(Conv3x3, computes_what_libtorch_does_for_every_width_of_its_products) {
  for (const auto& [inputs, outputs] :
       {std::pair{16, 16}, {48, 16}, {16, 48}, {32, 32}, {64, 128}, {96, 80}}) {
    SCOPED_TRACE(testing::Message() << inputs << " to " << outputs);
    expect_as_in_float64(Case(3, 12, 10, inputs, outputs));
  }
}

TEST(Conv3x3, adds_up_blocks_of_tiles) { expect_as_in_float64(Case(4, 64, 48, 32, 16)); }

TEST(Conv3x3, reads_a_range_of_wider_images) {
  const Case c(2, 6, 8, 32, 32);
  const auto within = [](const torch::Tensor& x) {
    const auto wide = torch::full({x.size(0), x.size(1) + 24, x.size(2), x.size(3)},
                                  std::numeric_limits<float>::quiet_NaN())
                          .contiguous(last);
    return wide.narrow(1, 8, x.size(1)).copy_(x);
  };
  const auto images = within(c.images);
  const auto gradient = within(c.gradient);
  ASSERT_TRUE(has_fast_conv3x3(images, c.weight));
  EXPECT_TRUE(same_bits(conv3x3_forward(images, c.weight), conv3x3_forward(c.images, c.weight)));
  EXPECT_TRUE(same_bits(conv3x3_backward_images(gradient, c.weight),
                        conv3x3_backward_images(c.gradient, c.weight)));
  EXPECT_TRUE(same_bits(conv3x3_backward_weight(gradient, images, c.weight),
                        conv3x3_backward_weight(c.gradient, c.images, c.weight)));
}

TEST(Conv3x3, computes_the_same_bits_with_one_thread_and_with_three) {
  const Case c(3, 40, 36, 32, 48);
  const auto all = [&](int threads) {
    at::set_num_threads(threads);
    return std::array{conv3x3_forward(c.images, c.weight),
                      conv3x3_backward_images(c.gradient, c.weight),
                      conv3x3_backward_weight(c.gradient, c.images, c.weight)};
  };
  const int threads = at::get_num_threads();
  const auto one = all(1);
  const auto three = all(3);
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(same_bits(one[i], three[i])) << i;
}

TEST(Conv3x3, gives_autograd_both_gradients) {
  const Case c(4, 8, 8, 16, 16);
  const auto images = c.images.clone().requires_grad_();
  const auto weight = c.weight.clone().requires_grad_();
  conv3x3(images, weight).backward(c.gradient);
  const auto [of_images, of_weight, bias] = reference_backward(c);
  EXPECT_LT(distance(images.grad(), of_images), bound(9 * 16));
  EXPECT_LT(distance(weight.grad(), of_weight), bound(4 * 8 * 8));
}

TEST(Conv3x3, rounds_to_bfloat16_only_its_inputs_and_results) {
  for (const std::int64_t side : {7, 16}) {
    Case c(3, side, side, 32, 48);
    c.images = c.images.to(torch::kBFloat16);
    c.gradient = c.gradient.to(torch::kBFloat16);
    if (!has_fast_conv3x3(c.images, c.weight)) GTEST_SKIP() << "no bfloat16 in this processor";
    const auto [images, weight, bias] = reference_backward(c);
    const auto error = [](const torch::Tensor& a, const torch::Tensor& b) {
      return distance(a, b) / b.abs().max().item<double>();
    };
    EXPECT_LT(error(conv3x3_forward(c.images, c.weight), reference_forward(c)), 0.01);
    EXPECT_LT(error(conv3x3_backward_images(c.gradient, c.weight), images), 0.01);
    const auto of_weight = conv3x3_backward_weight(c.gradient, c.images, c.weight);
    EXPECT_EQ(of_weight.scalar_type(), torch::kFloat32);
    EXPECT_LT(error(of_weight, weight), 0.01);
  }
}

TEST(Conv3x3, keeps_nan_visible) {
  Case c(1, 8, 8, 32, 32);
  c.images[0][3][4][4] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(conv3x3_forward(c.images, c.weight)[0][0][4][4].isnan().item<bool>());
}

TEST(Conv3x3, leaves_other_channels_and_layouts_to_libtorch) {
  const Case c(2, 8, 8, 3, 16);
  EXPECT_FALSE(has_fast_conv3x3(c.images, c.weight));
  EXPECT_LT(distance(conv3x3(c.images, c.weight), reference_forward(c)), bound(27));
  const Case d(2, 8, 8, 16, 16);
  EXPECT_FALSE(has_fast_conv3x3(d.images.contiguous(), d.weight));
  EXPECT_FALSE(has_fast_conv3x3(d.images.to(torch::kFloat16), d.weight));
  EXPECT_LT(distance(conv3x3(d.images.contiguous(), d.weight), reference_forward(d)),
            bound(9 * 16));
}

}  // namespace
}  // namespace harmofl
