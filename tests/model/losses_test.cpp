// SPDX-License-Identifier: Apache-2.0
// Losses against small cases worked out by hand. Logits are logarithms of probabilities, so that
// softmax gives these probabilities back.
#include "model/measures/losses.hpp"

#include "harmofl/base/error.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <array>
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

/// Logits of three images and three classes, their classes, and weights of the classes.
constexpr std::array<std::array<double, 3>, 3> some_z{
    {{0.3, -1.2, 2.0}, {1.5, 0.1, -0.4}, {-2, 1, 0.5}}};
constexpr std::array<std::size_t, 3> some_y{2, 1, 0};
constexpr std::array<double, 3> some_w{0.5, 2.0, 3.0};
const std::vector<double> weights(some_w.begin(), some_w.end());

torch::Tensor some_logits() {
  torch::Tensor logits = torch::empty({3, 3}, torch::kFloat64);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      logits[static_cast<std::int64_t>(i)][static_cast<std::int64_t>(k)] = some_z[i][k];
    }
  }
  return logits;
}

torch::Tensor some_targets() { return torch::tensor({2, 1, 0}); }

/// The probability of an image's class.
double p_of(std::size_t image) {
  double sum = 0.0;
  for (const double z : some_z[image]) sum += std::exp(z);
  return std::exp(some_z[image][some_y[image]]) / sum;
}

/// sum w_y (1 - p_y)^gamma (-log p_y) / sum w_y, written out.
double focal_by_hand(double gamma, bool weighted) {
  double sum = 0.0, all = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double w = weighted ? some_w[some_y[i]] : 1.0;
    sum -= w * std::pow(1.0 - p_of(i), gamma) * std::log(p_of(i));
    all += w;
  }
  return sum / all;
}

TEST(CrossEntropy, of_weighted_classes_is_divided_by_the_sum_of_weights) {
  EXPECT_NEAR(value(cross_entropy(some_logits(), some_targets(), weights)), focal_by_hand(0, true),
              1e-12);
  EXPECT_NEAR(value(cross_entropy(some_logits(), some_targets())), focal_by_hand(0, false), 1e-12);
}

TEST(FocalLoss, weighs_each_image_by_how_wrong_it_is) {
  for (const double gamma : {0.0, 0.5, 1.0, 2.0, 5.0}) {
    EXPECT_NEAR(value(focal_loss(some_logits(), some_targets(), gamma)),
                focal_by_hand(gamma, false), 1e-12);
    EXPECT_NEAR(value(focal_loss(some_logits(), some_targets(), gamma, weights)),
                focal_by_hand(gamma, true), 1e-12);
  }
}

TEST(FocalLoss, has_a_finite_gradient_where_the_class_is_certain) {
  for (const double gamma : {0.0, 0.5, 1.0, 2.0}) {
    torch::Tensor logits = torch::tensor({{200.0F, 0.0F}}).requires_grad_();
    focal_loss(logits, torch::tensor({0}), gamma).backward();
    EXPECT_TRUE(logits.grad().isfinite().all().item<bool>()) << gamma;
    EXPECT_NEAR(logits.grad().abs().max().item<double>(), 0.0, 1e-6) << gamma;
  }
}

TEST(BceLoss, asks_of_each_class_whether_it_is_that_or_another) {
  double plain = 0.0, weighted = 0.0;
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k < 3; ++k) {
      const double p = 1.0 / (1.0 + std::exp(-some_z[i][k]));
      const double each = -std::log(k == some_y[i] ? p : 1.0 - p);
      plain += each / 9.0;
      weighted += some_w[k] * each / 9.0;
    }
  }
  EXPECT_NEAR(value(bce_loss(some_logits(), some_targets())), plain, 1e-12);
  EXPECT_NEAR(value(bce_loss(some_logits(), some_targets(), weights)), weighted, 1e-12);
}

TEST(BceLoss, of_two_classes_is_that_of_one_output) {
  const double z = 0.7;
  const torch::Tensor logits = torch::tensor({{0.0, z}, {0.0, -z}}, torch::kFloat64);
  EXPECT_NEAR(value(bce_loss(logits, torch::tensor({1, 1}))),
              (std::log(1.0 + std::exp(-z)) + std::log(1.0 + std::exp(z))) / 2.0, 1e-12);
}

TEST(Loss, of_pixels_is_that_of_as_many_images) {
  const torch::Tensor logits = some_logits().t().reshape({1, 3, 1, 3}).contiguous();
  const torch::Tensor masks = some_targets().view({1, 1, 3});
  for (const LossKind kind : {LossKind::cross_entropy, LossKind::focal, LossKind::bce}) {
    for (const bool weighted : {false, true}) {
      LossOptions options = kind;
      if (weighted) options.class_weights = weights;
      EXPECT_NEAR(value(loss(options, logits, masks)),
                  value(loss(options, some_logits(), some_targets())), 1e-12);
    }
  }
}

TEST(Loss, by_own_kernels_does_not_forget_weights_and_gamma) {
  const torch::Tensor logits = some_logits().to(torch::kFloat32);
  for (const LossKind kind : {LossKind::cross_entropy, LossKind::focal, LossKind::bce}) {
    LossOptions options = kind;
    options.class_weights = weights;
    const double own = value(loss(options, logits, some_targets(), Kernels::own));
    EXPECT_NEAR(own, value(loss(options, logits, some_targets(), Kernels::libtorch)), 1e-6);
    EXPECT_GT(std::abs(own - value(loss(options.unweighted(), logits, some_targets()))), 0.01);
  }
  LossOptions dice = LossKind::cross_entropy_dice;
  dice.class_weights = {1.0, 3.0};
  EXPECT_NEAR(value(loss(dice, one_image(), targets_of_one_image())),
              (-(std::log(0.75) + 3.0 * std::log(0.5)) / 4.0 + expected_dice) / 2.0,
              loss_tolerance);
}

TEST(ClassWeights, by_frequency_make_all_classes_count_alike) {
  EXPECT_EQ(weights_by_frequency({6, 2, 4}), (std::vector<double>{12.0 / 18, 2.0, 1.0}));
  EXPECT_THAT(test::error_of<UserError>([] { weights_by_frequency({6, 0}); }),
              testing::HasSubstr("class 1"));
}

TEST(ClassWeights, are_one_a_class) {
  LossOptions options;
  EXPECT_NO_THROW(check_class_weights(options, 3));
  options.class_weights = {1.0, 2.0};
  EXPECT_NO_THROW(check_class_weights(options, 2));
  EXPECT_THAT(test::error_of<UserError>([&] { check_class_weights(options, 3); }),
              testing::HasSubstr("holds 2 numbers, but the shards have 3 classes"));
}

}  // namespace
}  // namespace harmofl
