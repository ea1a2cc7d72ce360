// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/gradients.hpp"

#include "fl/small_federation.hpp"
#include "harmofl/base/error.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::same_bits;

Model unet_of(NormKind norm) {
  ModelOptions options;
  options.network = {"unet", 2, norm};
  return {options, test::segmentation_of(32, 32), 1, torch::kCPU};
}

Samples twelve_samples() { return test::unequal_sites(1).clients.front().split(Split::train); }

torch::Tensor gradient_of(Model& model, std::int64_t batch_size, Statistics statistics) {
  return split_gradient(model, twelve_samples(), LossKind::cross_entropy, batch_size, statistics);
}

TEST(SplitGradient, is_that_of_the_whole_split_whatever_the_batches) {
  Model model = unet_of(NormKind::group);
  const torch::Tensor whole = gradient_of(model, 12, Statistics::batch);
  const torch::Tensor in_parts = gradient_of(model, 5, Statistics::batch);  // 5 + 5 + 2
  const double largest = whole.abs().max().item<double>();
  ASSERT_GT(largest, 1e-3);
  EXPECT_LT(test::distance(in_parts, whole), 1e-5 * largest);
}

TEST(SplitGradient, is_what_autograd_gives) {
  Model model = unet_of(NormKind::group);
  const Samples samples = twelve_samples();
  const torch::Tensor found = gradient_of(model, 12, Statistics::batch);
  model.state().gradients().zero_();
  const torch::Tensor logits = model.forward(samples.images.to(torch::kFloat32).div(255.0));
  loss(LossKind::cross_entropy, logits, samples.targets.to(torch::kInt64)).backward();
  EXPECT_TRUE(same_bits(found, model.state().gradients()));
}

TEST(SplitGradient, leaves_running_statistics_and_weights) {
  Model model = unet_of(NormKind::batch);
  const torch::Tensor before = model.state().state().clone();
  const torch::Tensor own = gradient_of(model, 4, Statistics::batch);
  EXPECT_TRUE(same_bits(model.state().state(), before));
  const torch::Tensor running = gradient_of(model, 4, Statistics::running);
  EXPECT_TRUE(same_bits(model.state().state(), before));
  EXPECT_GT(test::distance(own, running), 1e-3);
}

TEST(SplitGradient, needs_samples) {
  Model model = unet_of(NormKind::group);
  EXPECT_THROW(split_gradient(model, Samples{}, LossKind::cross_entropy, 4, Statistics::batch),
               UserError);
}

TEST(Geometry, measures_norms_and_angles) {
  const GradientGeometry found = geometry(
      {torch::tensor({3.0f, 4.0f}), torch::tensor({-8.0f, 6.0f}), torch::tensor({-6.0f, -8.0f})});
  EXPECT_THAT(found.norms, testing::ElementsAre(5.0, 10.0, 10.0));
  EXPECT_THAT(found.cosines[0], testing::ElementsAre(1.0, 0.0, -1.0));
  EXPECT_THAT(found.cosines[2], testing::ElementsAre(-1.0, 0.0, 1.0));
  // m = (-11, 2) / 3
  EXPECT_NEAR(found.mean_norm, std::sqrt(125.0) / 3.0, 1e-12);
  EXPECT_NEAR(found.mean_cosines[0], (3.0 * -11.0 + 4.0 * 2.0) / (5.0 * std::sqrt(125.0)), 1e-12);
}

TEST(Geometry, measures_small_gradients_as_large_ones) {
  const GradientGeometry found =
      geometry({torch::tensor({3e-3f, 4e-3f}), torch::tensor({3e-3f, -4e-3f})});
  EXPECT_NEAR(found.mean_norm, 3e-3, 1e-9);
  EXPECT_NEAR(found.mean_cosines[0], 0.6, 1e-6);
}

TEST(Geometry, of_opposite_gradients_has_no_mean_direction) {
  const GradientGeometry found =
      geometry({torch::tensor({1.0f, 2.0f}), torch::tensor({-1.0f, -2.0f})});
  EXPECT_EQ(found.mean_norm, 0.0);
  EXPECT_TRUE(std::isnan(found.mean_cosines[0]));
  EXPECT_EQ(found.cosines[0][1], -1.0);
}

TEST(Geometry, of_a_zero_gradient_has_no_angle) {
  const GradientGeometry found = geometry({torch::zeros({2}), torch::ones({2})});
  EXPECT_EQ(found.norms[0], 0.0);
  EXPECT_TRUE(std::isnan(found.cosines[0][0]));
  EXPECT_TRUE(std::isnan(found.cosines[0][1]));
  EXPECT_DOUBLE_EQ(found.cosines[1][1], 1.0);
}

}  // namespace
}  // namespace harmofl
