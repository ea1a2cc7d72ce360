// SPDX-License-Identifier: Apache-2.0
// Fused batch norm, ReLU and max-pool against libtorch's separate ones in float64.
#include "kernels/norm/norm_relu.hpp"

#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <limits>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;

constexpr double norm_tolerance =
    2e-5;  ///< Tolerance of float32 values about 1, and of their gradients.
constexpr double bf16_tolerance = 4e-2;  ///< The same of bfloat16: 8 bits of mantissa.

/// Odd and even sizes, channels that fill vectors and that do not.
const std::vector<std::vector<std::int64_t>> image_shapes{
    {5, 3, 6, 7},   {2, 16, 9, 5},   {3, 70, 8, 8}, {1, 1, 3, 2},
    {4, 128, 2, 5}, {2, 21, 33, 40}, {2, 8, 64, 66}};

torch::Tensor images(torch::IntArrayRef shape, std::uint64_t seed) {
  return (random_images(shape, seed) * 3.0 - 1.0).contiguous(torch::MemoryFormat::ChannelsLast);
}

/// Weight and bias of both signs, running statistics of their own.
BatchNormState affine(std::int64_t channels) {
  torch::manual_seed(7);
  BatchNormState norm;
  norm.weight = torch::randn({channels});
  norm.bias = torch::randn({channels});
  norm.running_mean = torch::randn({channels});
  norm.running_var = torch::rand({channels}) + 0.5;
  return norm;
}

BatchNormState in_float64(const BatchNormState& norm) {
  const auto copy = [](const torch::Tensor& t) {
    return t.defined() ? t.detach().to(torch::kFloat64) : t;
  };
  BatchNormState wide = norm;
  wide.weight = copy(norm.weight);
  wide.bias = copy(norm.bias);
  wide.running_mean = copy(norm.running_mean);
  wide.running_var = copy(norm.running_var);
  return wide;
}

torch::Tensor plain(const torch::Tensor& x, const BatchNormState& n, bool relu) {
  const torch::Tensor y = at::batch_norm(x, n.weight, n.bias, n.running_mean, n.running_var,
                                         n.of_batch, n.momentum, n.eps, false);
  return relu ? y.relu() : y;
}

using Outputs = std::vector<torch::Tensor>;
using Layer = std::function<Outputs(const torch::Tensor&, const BatchNormState&)>;

/// Outputs of `layer`, then the gradients of x, weight and bias for fixed gradients of the outputs.
Outputs run(const Layer& layer, torch::Tensor x, BatchNormState norm) {
  x = x.detach().clone().requires_grad_();
  if (norm.weight.defined()) {
    norm.weight = norm.weight.clone().requires_grad_();
    norm.bias = norm.bias.clone().requires_grad_();
  }
  Outputs results = layer(x, norm);
  torch::Tensor sum = torch::zeros({}, torch::kFloat64);
  std::uint64_t seed = 100;
  for (const torch::Tensor& y : results) {
    const torch::Tensor g = random_images(y.sizes(), ++seed).to(torch::kBFloat16) - 0.3;
    sum = sum + (y.to(torch::kFloat64) * g.to(torch::kFloat64)).sum();
  }
  sum.backward();
  results.push_back(x.grad());
  if (norm.weight.defined()) {
    results.push_back(norm.weight.grad());
    results.push_back(norm.bias.grad());
  }
  return results;
}

void expect_agreement(const Layer& fused, const Layer& separate, const torch::Tensor& x,
                      const BatchNormState& norm, double bound) {
  const Outputs got = run(fused, x, norm);
  const Outputs expected = run(separate, x.to(torch::kFloat64), in_float64(norm));
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double scale = 1.0 + expected[i].abs().max().item<double>();
    EXPECT_LT(distance(got[i], expected[i]), bound * scale)
        << "result " << i << " of images " << x.sizes();
  }
}

Layer fused_norm(bool relu) {
  return [relu](const torch::Tensor& x, const BatchNormState& n) {
    return Outputs{batch_norm(x, n, relu)};
  };
}

Layer separate_norm(bool relu) {
  return [relu](const torch::Tensor& x, const BatchNormState& n) {
    return Outputs{plain(x, n, relu)};
  };
}

const Layer fused_pool = [](const torch::Tensor& x, const BatchNormState& n) {
  return Outputs{batch_norm_relu_pool(x, n)};
};
const Layer separate_pool = [](const torch::Tensor& x, const BatchNormState& n) {
  return Outputs{at::max_pool2d(plain(x, n, true), 2)};
};
const Layer fused_both = [](const torch::Tensor& x, const BatchNormState& n) {
  const auto [y, pooled] = batch_norm_relu_and_pool(x, n);
  return Outputs{y, pooled};
};
const Layer separate_both = [](const torch::Tensor& x, const BatchNormState& n) {
  const torch::Tensor y = plain(x, n, true);
  return Outputs{y, at::max_pool2d(y, 2)};
};

TEST(FusedNorm, equals_libtorch_in_float64_with_and_without_affine_and_relu) {
  for (const auto& shape : image_shapes) {
    for (const bool relu : {true, false}) {
      const torch::Tensor x = images(shape, 1);
      expect_agreement(fused_norm(relu), separate_norm(relu), x, {}, norm_tolerance);
      expect_agreement(fused_norm(relu), separate_norm(relu), x, affine(shape[1]), norm_tolerance);
    }
  }
}

TEST(FusedNorm, equals_libtorch_by_running_statistics) {
  for (const auto& shape : image_shapes) {
    BatchNormState norm = affine(shape[1]);
    norm.of_batch = false;
    expect_agreement(fused_norm(true), separate_norm(true), images(shape, 1), norm, norm_tolerance);
    expect_agreement(fused_pool, separate_pool, images(shape, 1), norm, norm_tolerance);
  }
}

TEST(FusedNorm, with_the_pool_equals_libtorch_in_float64) {
  for (const auto& shape : image_shapes) {
    for (const BatchNormState& norm : {BatchNormState{}, affine(shape[1])}) {
      expect_agreement(fused_pool, separate_pool, images(shape, 1), norm, norm_tolerance);
      expect_agreement(fused_both, separate_both, images(shape, 1), norm, norm_tolerance);
    }
  }
}

TEST(FusedNorm, gives_the_gradient_of_equal_maxima_to_the_first_as_libtorch_does) {
  const torch::Tensor x = at::floor(images({3, 24, 10, 10}, 2) * 1.5);  // few values, many ties
  expect_agreement(fused_pool, separate_pool, x, {}, norm_tolerance);
  expect_agreement(fused_both, separate_both, x, affine(24), norm_tolerance);
}

TEST(FusedNorm, in_bfloat16_stays_within_its_rounding) {
  for (const auto& shape : image_shapes) {
    const torch::Tensor x = images(shape, 3).to(torch::kBFloat16);
    expect_agreement(fused_norm(true), separate_norm(true), x, affine(shape[1]), bf16_tolerance);
  }
  // Where rounding makes ties the first maximum gets the gradient, so a plain pool is not an
  // oracle.
  const torch::Tensor x = images({3, 24, 10, 10}, 3).to(torch::kBFloat16);
  const torch::Tensor pooled = batch_norm_relu_pool(x, {});
  EXPECT_TRUE(torch::equal(pooled, at::max_pool2d(batch_norm(x, {}, true), 2)));
}

TEST(FusedNorm, updates_running_statistics_as_libtorch_does) {
  const torch::Tensor x = images({5, 19, 6, 7}, 1);
  const BatchNormState norm = affine(19);
  const BatchNormState expected = in_float64(norm);
  batch_norm(x, norm, true);
  plain(x.to(torch::kFloat64), expected, true);
  EXPECT_LT(distance(norm.running_mean, expected.running_mean), norm_tolerance);
  EXPECT_LT(distance(norm.running_var, expected.running_var), norm_tolerance);
}

TEST(FusedNorm, is_exact_for_many_pixels_far_from_zero) {
  // In plain float32 sums the variance of these would drown.
  const torch::Tensor x = images({2, 20, 300, 300}, 1) + 1000.0;
  const torch::Tensor expected = plain(x.to(torch::kFloat64), {}, false);
  EXPECT_LT(distance(batch_norm(x, {}, false), expected), 2e-4);
}

TEST(FusedNorm, reads_and_writes_channel_slices_with_the_same_bits) {
  const torch::Tensor wide = images({3, 50, 9, 8}, 4);
  const torch::Tensor slice = wide.narrow(1, 7, 33);
  const torch::Tensor whole = slice.clone(torch::MemoryFormat::ChannelsLast);
  const torch::Tensor target = torch::full_like(wide, 5.0);
  const torch::Tensor out = channel_slice(target, 16, 33);
  const torch::Tensor y = batch_norm(slice, {}, true, out);
  EXPECT_EQ(y.data_ptr(), out.data_ptr());
  EXPECT_TRUE(same_bits(y, batch_norm(whole, {}, true)));
  EXPECT_TRUE((target.narrow(1, 0, 16) == 5.0).all().item<bool>());
  EXPECT_TRUE((target.narrow(1, 49, 1) == 5.0).all().item<bool>());
}

TEST(FusedNorm, takes_gradients_that_are_slices_or_not_channels_last) {
  const torch::Tensor x = images({3, 20, 9, 8}, 4);
  const torch::Tensor wide = random_images({3, 30, 9, 8}, 5);
  Outputs gradients;
  for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    const torch::Tensor in = x.clone(torch::MemoryFormat::Preserve).requires_grad_();
    batch_norm(in, {}, true).backward(wide.contiguous(format).narrow(1, 3, 20));
    gradients.push_back(in.grad());
  }
  EXPECT_TRUE(same_bits(gradients[0], gradients[1]));
}

TEST(FusedNorm, has_the_same_bits_on_one_thread_and_on_two) {
  const int threads = at::get_num_threads();
  const torch::Tensor x = images({4, 48, 150, 150}, 6);
  std::vector<Outputs> results;
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    results.push_back(run(fused_both, x, affine(48)));
  }
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(same_bits(results[0][i], results[1][i])) << "result " << i;
  }
}

TEST(FusedNorm, keeps_a_nan_visible_in_its_channel_alone) {
  torch::Tensor x = images({2, 20, 6, 6}, 1);
  x[1][3][2][2] = std::numeric_limits<float>::quiet_NaN();
  for (const torch::Tensor& y : {batch_norm(x, {}, true), batch_norm_relu_pool(x, {})}) {
    EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
    EXPECT_EQ(y.isnan().sum().item<std::int64_t>(), y.select(1, 3).numel());
  }
  BatchNormState norm = affine(20);
  norm.of_batch = false;
  EXPECT_EQ(batch_norm(x, norm, true).isnan().sum().item<std::int64_t>(), 1);
  EXPECT_EQ(batch_norm_relu_pool(x, norm).isnan().sum().item<std::int64_t>(), 1);
}

TEST(FusedNorm, does_not_take_images_in_another_order) {
  EXPECT_TRUE(fits_row_kernels(images({2, 4, 6, 6}, 1)));
  EXPECT_TRUE(fits_row_kernels(images({2, 9, 6, 6}, 1).narrow(1, 2, 4)));
  EXPECT_FALSE(fits_row_kernels(random_images({2, 4, 6, 6}, 1)));
  EXPECT_FALSE(fits_row_kernels(images({2, 4, 6, 6}, 1).narrow(3, 1, 4)));
  EXPECT_FALSE(fits_row_kernels(images({2, 4, 6, 6}, 1).to(torch::kFloat64)));
}

TEST(ConcatenationInPlace, is_the_concatenation_and_hands_slices_of_the_gradient_back) {
  const torch::Tensor whole = torch::empty(
      {2, 7, 5, 5}, torch::dtype(torch::kFloat32).memory_format(torch::MemoryFormat::ChannelsLast));
  const torch::Tensor a = images({2, 3, 5, 5}, 1).requires_grad_();
  const torch::Tensor b = images({2, 4, 5, 5}, 2).requires_grad_();
  const torch::Tensor first = batch_norm(a, {}, true, channel_slice(whole, 0, 3));
  const torch::Tensor second = batch_norm(b, {}, true, channel_slice(whole, 3, 4));
  const torch::Tensor joined = concatenation_in_place(whole, {first, second});
  const torch::Tensor a64 = a.detach().to(torch::kFloat64).requires_grad_();
  const torch::Tensor b64 = b.detach().to(torch::kFloat64).requires_grad_();
  const torch::Tensor expected = at::cat({plain(a64, {}, true), plain(b64, {}, true)}, 1);
  EXPECT_LT(distance(joined, expected), norm_tolerance);
  (joined * joined).sum().backward();
  (expected * expected).sum().backward();
  EXPECT_LT(distance(a.grad(), a64.grad()), 10 * norm_tolerance);
  EXPECT_LT(distance(b.grad(), b64.grad()), 10 * norm_tolerance);
}

}  // namespace
}  // namespace harmofl
