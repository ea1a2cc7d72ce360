// SPDX-License-Identifier: Apache-2.0
// Losses against small cases worked out by hand. Logits are logarithms of probabilities, so that
// softmax gives these probabilities back.
#include "model/measures/losses.hpp"

#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

constexpr double loss_tolerance = 1e-6;
constexpr double smooth = 1e-5;

double value(const torch::Tensor& tensor) { return tensor.item<double>(); }

/// Two pixels: the first is of class 0 (p = .75), the second of class 1 (p = .5).
const double expected_ce = -(std::log(0.75) + std::log(0.5)) / 2.0;
/// Class 0: sum p y = .75, sum p = 1.25, sum y = 1. Class 1: .5, .75, 1.
const double expected_dice =
    1.0 - ((1.5 + smooth) / (2.25 + smooth) + (1.0 + smooth) / (1.75 + smooth)) / 2.0;

/// The two pixels side by side in one image.
torch::Tensor one_image() { return torch::tensor({0.75, 0.5, 0.25, 0.5}).view({1, 2, 1, 2}).log(); }
torch::Tensor targets_of_one_image() { return torch::tensor({0, 1}).view({1, 1, 2}); }

TEST(CrossEntropy, is_the_mean_of_minus_log_p_over_samples) {
  const torch::Tensor logits = torch::tensor({{0.9, 0.1}, {0.2, 0.8}, {0.5, 0.5}}).log();
  const torch::Tensor targets = torch::tensor({0, 0, 1});
  EXPECT_NEAR(value(cross_entropy(logits, targets)),
              -(std::log(0.9) + std::log(0.2) + std::log(0.5)) / 3.0, loss_tolerance);
}

TEST(CrossEntropy, is_the_mean_over_pixels_of_masks) {
  EXPECT_NEAR(value(cross_entropy(one_image(), targets_of_one_image())), expected_ce,
              loss_tolerance);
}

TEST(CrossEntropy, does_not_overflow_for_large_logits) {
  const torch::Tensor logits = torch::tensor({{1e4, 0.0}});
  EXPECT_NEAR(value(cross_entropy(logits, torch::tensor({1}))), 1e4, 1.0);
}

TEST(DiceLoss, compares_probabilities_with_the_truth_class_by_class) {
  EXPECT_NEAR(value(dice_loss(one_image(), targets_of_one_image())), expected_dice, loss_tolerance);
}

TEST(DiceLoss, sums_over_the_whole_batch_and_not_image_by_image) {
  const torch::Tensor logits = one_image().permute({3, 1, 2, 0}).contiguous();
  const torch::Tensor targets = targets_of_one_image().permute({2, 0, 1}).contiguous();
  ASSERT_EQ(logits.size(0), 2);
  EXPECT_NEAR(value(dice_loss(logits, targets)), expected_dice, loss_tolerance);
}

TEST(DiceLoss, counts_a_class_that_is_nowhere_as_found) {
  // The third class is neither predicted nor there: (0 + s) / (0 + s) = 1.
  const torch::Tensor nowhere = torch::full({1, 1, 1, 2}, -200.0);
  const torch::Tensor logits = torch::cat({one_image(), nowhere}, 1);
  EXPECT_NEAR(value(dice_loss(logits, targets_of_one_image())), expected_dice * 2.0 / 3.0,
              loss_tolerance);
}

TEST(DiceLoss, runs_from_zero_for_the_truth_to_one_for_its_opposite) {
  const torch::Tensor targets = torch::tensor({0, 1, 1, 0}).view({1, 2, 2});
  const torch::Tensor sure = torch::stack({1 - targets, targets}, 1).to(torch::kFloat32) * 200.0;
  EXPECT_NEAR(value(dice_loss(sure, targets)), 0.0, loss_tolerance);
  EXPECT_NEAR(value(dice_loss(-sure, targets)), 1.0, 2.0 * smooth);
}

TEST(Loss, is_the_mean_of_both_or_cross_entropy_alone) {
  EXPECT_NEAR(value(loss(LossKind::cross_entropy, one_image(), targets_of_one_image())),
              expected_ce, loss_tolerance);
  EXPECT_NEAR(value(loss(LossKind::cross_entropy_dice, one_image(), targets_of_one_image())),
              (expected_ce + expected_dice) / 2.0, loss_tolerance);
}

TEST(Loss, has_the_gradient_of_finite_differences) {
  // Analytic derivative of CE by a logit: (p - y) / pixels. Of the whole: by central differences.
  const double h = 1e-5;
  torch::Tensor logits = one_image().to(torch::kFloat64).requires_grad_();
  loss(LossKind::cross_entropy_dice, logits, targets_of_one_image()).backward();
  for (std::int64_t i = 0; i < logits.numel(); ++i) {
    const auto shifted = [&](double by) {
      torch::Tensor moved = logits.detach().clone();
      moved.view(-1)[i] += by;
      return value(loss(LossKind::cross_entropy_dice, moved, targets_of_one_image()));
    };
    EXPECT_NEAR(logits.grad().view(-1)[i].item<double>(), (shifted(h) - shifted(-h)) / (2.0 * h),
                1e-8)
        << "logit " << i;
  }
}

}  // namespace
}  // namespace harmofl
