// SPDX-License-Identifier: Apache-2.0
// The fused loss against the same formulas in libtorch's operations and in float64.
#include "model/measures/fused_loss.hpp"

#include "harmofl/base/error.hpp"
#include "model/measures/losses.hpp"
#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <limits>

namespace harmofl {
namespace {

using test::distance;
using test::same_bits;

constexpr auto contiguous = torch::MemoryFormat::Contiguous;
constexpr auto channels_last = torch::MemoryFormat::ChannelsLast;

struct Result {
  torch::Tensor value, gradient;
};

/// The plain version: operation after operation, in the logits' type.
torch::Tensor plain_loss(const torch::Tensor& logits, const torch::Tensor& targets, bool dice) {
  const torch::Tensor ce = cross_entropy(logits, targets);
  return dice ? (ce + dice_loss(logits, targets)) / 2.0 : ce;
}

/// Value and gradient of three times a loss, so that the factor above it counts too.
template <class Loss>
Result measured(const torch::Tensor& logits, const torch::Tensor& targets, bool dice,
                const Loss& loss) {
  const torch::Tensor leaf = logits.detach().clone(torch::MemoryFormat::Preserve).requires_grad_();
  const torch::Tensor value = loss(leaf, targets, dice);
  (value * 3.0).backward();
  return {value.detach(), leaf.grad()};
}

struct Sample {
  torch::Tensor logits, targets;
};

Sample sample(std::vector<std::int64_t> shape, torch::MemoryFormat format, double spread) {
  torch::manual_seed(shape[0] * 10 + shape[1]);
  std::vector<std::int64_t> target_shape = shape;
  target_shape.erase(target_shape.begin() + 1);
  const torch::Tensor logits = torch::randn(shape) * spread;
  return {shape.size() == 4 ? logits.contiguous(format) : logits,
          torch::randint(0, shape[1], target_shape)};
}

/// Expects the fused loss to be as near to the loss in float64 as the plain one is, or nearer than
/// float32 can tell.
void expect_agreement(const Sample& s, bool dice) {
  ASSERT_TRUE(can_fuse_loss(s.logits, s.targets));
  const Result fused = measured(s.logits, s.targets, dice, fused_loss);
  const Result exact = measured(s.logits.to(torch::kFloat64), s.targets, dice, plain_loss);
  EXPECT_LT(distance(fused.value, exact.value), 3e-7 * (1.0 + exact.value.item<double>()));
  const double size = exact.gradient.abs().max().item<double>();
  EXPECT_LT(distance(fused.gradient, exact.gradient), 2e-6 * size + 1e-12);
  const Result plain = measured(s.logits, s.targets, dice, plain_loss);
  EXPECT_LT(distance(fused.gradient, plain.gradient), 4e-6 * size + 1e-12);
}

TEST(FusedLoss, agrees_with_the_formulas_for_masks_in_either_memory_format) {
  for (const auto format : {contiguous, channels_last}) {
    for (const bool dice : {false, true}) {
      for (const double spread : {0.1, 3.0, 30.0}) {
        SCOPED_TRACE(testing::Message() << format << ", dice " << dice << ", spread " << spread);
        expect_agreement(sample({2, 2, 40, 30}, format, spread), dice);
        expect_agreement(sample({3, 5, 7, 9}, format, spread), dice);
        expect_agreement(sample({1, 16, 16, 17}, format, spread), dice);
        expect_agreement(sample({2, 2, 96, 96}, format, spread), dice);
      }
    }
  }
}

TEST(FusedLoss, agrees_with_the_formulas_for_labels) {
  for (const std::int64_t batch : {1, 5, 8, 33, 300}) {
    for (const std::int64_t classes : {2, 3, 10, 16}) {
      SCOPED_TRACE(testing::Message() << batch << " x " << classes);
      expect_agreement(sample({batch, classes}, contiguous, 3.0), false);
    }
  }
}

TEST(FusedLoss, agrees_where_a_class_is_neither_predicted_nor_there) {
  Sample s = sample({2, 3, 20, 20}, contiguous, 1.0);
  s.targets = s.targets.clamp_max(1);
  s.logits.select(1, 2).fill_(-200.0);
  expect_agreement(s, true);
}

TEST(FusedLoss, is_the_same_to_the_bit_with_any_number_of_threads) {
  const Sample s = sample({3, 2, 130, 90}, channels_last, 2.0);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Result one = measured(s.logits, s.targets, true, fused_loss);
  at::set_num_threads(3);
  const Result three = measured(s.logits, s.targets, true, fused_loss);
  at::set_num_threads(threads);
  EXPECT_TRUE(same_bits(one.value, three.value));
  EXPECT_TRUE(same_bits(one.gradient, three.gradient));
}

TEST(FusedLoss, has_the_same_value_without_a_gradient) {
  const Sample s = sample({2, 2, 20, 20}, contiguous, 2.0);
  const Result with = measured(s.logits, s.targets, true, fused_loss);
  const torch::Tensor without = fused_loss(s.logits, s.targets, true);
  EXPECT_FALSE(without.requires_grad());
  EXPECT_TRUE(same_bits(with.value, without));
}

TEST(FusedLoss, stays_finite_for_large_logits_and_tells_of_those_that_are_not_finite) {
  const torch::Tensor targets = torch::tensor({1, 0});
  const auto value_at = [&](float logit) {
    return fused_loss(torch::tensor({{logit, 0.0F}, {0.0F, 0.0F}}), targets, false).item<double>();
  };
  EXPECT_NEAR(value_at(1e4F), (1e4 + std::log(2.0)) / 2.0, 1e-3);
  EXPECT_TRUE(std::isnan(value_at(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(value_at(std::numeric_limits<float>::infinity())));
  EXPECT_EQ(value_at(-std::numeric_limits<float>::infinity()), std::log(2.0F) / 2.0F);
}

TEST(FusedLoss, refuses_targets_that_are_no_class) {
  const torch::Tensor logits = torch::zeros({3, 2});
  EXPECT_THROW(fused_loss(logits, torch::tensor({0, 1, 2}), false), UserError);
  EXPECT_THROW(fused_loss(logits, torch::tensor({0, -1, 1}), false), UserError);
}

TEST(CanFuseLoss, is_true_of_few_classes_in_float32_that_lie_densely) {
  const Sample s = sample({2, 3, 8, 8}, contiguous, 1.0);
  EXPECT_FALSE(can_fuse_loss(s.logits.to(torch::kFloat64), s.targets));
  EXPECT_FALSE(can_fuse_loss(s.logits, s.targets.to(torch::kInt32)));
  EXPECT_FALSE(can_fuse_loss(s.logits.transpose(2, 3), s.targets));
  EXPECT_FALSE(can_fuse_loss(s.logits, s.targets.narrow(0, 0, 1)));
  EXPECT_FALSE(can_fuse_loss(torch::zeros({2, 17}), torch::tensor({0, 1})));
}

}  // namespace
}  // namespace harmofl
