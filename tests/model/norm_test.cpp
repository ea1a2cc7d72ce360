// SPDX-License-Identifier: Apache-2.0
// Normalisation layers against sums written out by hand.
#include "model/networks/norm.hpp"

#include "model/tensors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;

constexpr double eps = 1e-5;
constexpr double norm_tolerance = 1e-5;  ///< Tolerance of normalised values, which are about 1.

torch::Tensor images(std::int64_t channels, std::uint64_t seed) {
  return random_images({5, channels, 6, 7}, seed) * 3.0 - 1.0;
}

/// (x - mean) / sqrt(var + eps), statistics [C] in float64.
torch::Tensor normalised(const torch::Tensor& x, const torch::Tensor& mean,
                         const torch::Tensor& variance) {
  return (x.to(torch::kFloat64) - mean.view({-1, 1, 1})) / (variance.view({-1, 1, 1}) + eps).sqrt();
}

torch::Tensor channel_mean(const torch::Tensor& x) { return x.to(torch::kFloat64).mean({0, 2, 3}); }

torch::Tensor channel_variance(const torch::Tensor& x, bool unbiased) {
  return x.to(torch::kFloat64).var({0, 2, 3}, unbiased);
}

TEST(StatelessBatchNorm, has_neither_parameters_nor_buffers) {
  const Norm norm(NormKind::batch_stateless, 4);
  EXPECT_TRUE(norm.parameters().empty());
  EXPECT_TRUE(norm.buffers().empty());
}

TEST(StatelessBatchNorm, uses_the_statistics_of_the_batch_in_training_and_in_evaluation) {
  Norm norm(NormKind::batch_stateless, 4);
  for (const bool training : {true, false}) {
    norm.train(training);
    for (const std::uint64_t seed : {1U, 2U}) {
      const torch::Tensor x = images(4, seed);
      const torch::Tensor expected =
          normalised(x, channel_mean(x), channel_variance(x, /*unbiased=*/false));
      EXPECT_LT(distance(norm.forward(x), expected), norm_tolerance) << "training " << training;
    }
  }
}

TEST(BatchNorm, tracks_running_statistics_with_momentum_a_tenth) {
  Norm norm(NormKind::batch, 4);
  torch::Tensor mean = torch::zeros({4}, torch::kFloat64);
  torch::Tensor variance = torch::ones({4}, torch::kFloat64);
  for (const std::uint64_t seed : {1U, 2U, 3U}) {
    const torch::Tensor x = images(4, seed);
    norm.forward(x);
    mean = 0.9 * mean + 0.1 * channel_mean(x);
    variance = 0.9 * variance + 0.1 * channel_variance(x, /*unbiased=*/true);
  }
  EXPECT_LT(distance(norm.named_buffers()["running_mean"], mean), norm_tolerance);
  EXPECT_LT(distance(norm.named_buffers()["running_var"], variance), norm_tolerance);
}

TEST(BatchNorm, normalises_by_the_batch_in_training_and_then_scales) {
  Norm norm(NormKind::batch, 4);
  torch::NoGradGuard no_grad;
  norm.named_parameters()["weight"].copy_(torch::tensor({1.0, 2.0, 3.0, 4.0}));
  norm.named_parameters()["bias"].copy_(torch::tensor({0.5, 0.0, -0.5, 1.0}));
  const torch::Tensor x = images(4, 1);
  const torch::Tensor expected =
      normalised(x, channel_mean(x), channel_variance(x, /*unbiased=*/false)) *
          torch::tensor({1.0, 2.0, 3.0, 4.0}).view({-1, 1, 1}) +
      torch::tensor({0.5, 0.0, -0.5, 1.0}).view({-1, 1, 1});
  EXPECT_LT(distance(norm.forward(x), expected), 4 * norm_tolerance);
}

TEST(BatchNorm, uses_running_statistics_in_evaluation_and_leaves_them) {
  Norm norm(NormKind::batch, 4);
  norm.forward(images(4, 1));
  norm.eval();
  const torch::Tensor mean = norm.named_buffers()["running_mean"].clone();
  const torch::Tensor variance = norm.named_buffers()["running_var"].clone();
  const torch::Tensor x = images(4, 2);
  const torch::Tensor expected =
      normalised(x, mean.to(torch::kFloat64), variance.to(torch::kFloat64));
  EXPECT_LT(distance(norm.forward(x), expected), norm_tolerance);
  EXPECT_TRUE(same_bits(norm.named_buffers()["running_mean"], mean));
  EXPECT_TRUE(same_bits(norm.named_buffers()["running_var"], variance));
}

TEST(GroupNorm, normalises_each_image_by_groups_of_channels) {
  // At most eight groups, and as many as divide the channels.
  const std::pair<std::int64_t, std::int64_t> channels_and_groups[] = {{16, 8}, {12, 6}, {6, 6},
                                                                       {2, 2},  {11, 1}, {1, 1}};
  for (const auto& [channels, groups] : channels_and_groups) {
    Norm norm(NormKind::group, channels);
    const torch::Tensor x = images(channels, 1);
    const torch::Tensor grouped = x.to(torch::kFloat64).view({5, groups, -1});
    const torch::Tensor expected =
        (grouped - grouped.mean(2, true)) /
        (grouped.var(2, /*unbiased=*/false, /*keepdim=*/true) + eps).sqrt();
    EXPECT_LT(distance(norm.forward(x), expected.view(x.sizes())), norm_tolerance) << channels;
  }
}

TEST(GroupNorm, gives_an_image_the_same_whatever_else_is_in_its_batch) {
  Norm norm(NormKind::group, 8);
  const torch::Tensor x = images(8, 1);
  EXPECT_TRUE(same_bits(norm.forward(x).narrow(0, 2, 1), norm.forward(x.narrow(0, 2, 1))));
}

}  // namespace
}  // namespace harmofl
