// SPDX-License-Identifier: Apache-2.0
// Metrics against small cases worked out by hand.
#include "model/measures/metrics.hpp"

#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using testing::DoubleNear;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr double score_tolerance = 1e-12;
constexpr double authors_eps = 1e-5;

/// Logits whose largest is at the predicted class, [B, classes, H, W].
torch::Tensor logits_of(const torch::Tensor& predicted, std::int64_t classes = 2) {
  return torch::one_hot(predicted, classes).movedim(-1, 1).to(torch::kFloat32);
}

/// An image of 1 x 4 pixels.
torch::Tensor image(std::vector<std::int64_t> classes) {
  return torch::tensor(classes).view({1, 1, static_cast<std::int64_t>(classes.size())});
}

MetricValues values_of(const torch::Tensor& predicted, const torch::Tensor& truth,
                       std::int64_t classes = 2) {
  MetricSums sums(Task::segmentation, classes);
  sums.add(logits_of(predicted, classes), truth, 0.25);
  return sums.values();
}

TEST(Dice, is_twice_the_overlap_over_both_sizes) {
  const MetricValues values = values_of(image({1, 1, 0, 0}), image({1, 0, 0, 0}));
  // Foreground 2 1 / (2 + 1); background 2 2 / (2 + 3).
  const double authors = (2.0 / (3.0 + authors_eps) + 4.0 / (5.0 + authors_eps)) / 2.0;
  EXPECT_THAT(values, UnorderedElementsAre(
                          Pair("loss", 0.25), Pair("dice", DoubleNear(2.0 / 3.0, score_tolerance)),
                          Pair("iou", DoubleNear(0.5, score_tolerance)),
                          Pair("dice_with_background", DoubleNear(authors, score_tolerance))));
}

TEST(Dice, of_an_empty_prediction_of_an_empty_truth_is_one_but_not_for_the_authors) {
  const MetricValues values = values_of(image({0, 0, 0, 0}), image({0, 0, 0, 0}));
  EXPECT_EQ(values.at("dice"), 1.0);
  EXPECT_NEAR(values.at("dice_with_background"), (0.0 + 8.0 / (8.0 + authors_eps)) / 2.0,
              score_tolerance);
}

TEST(Dice, is_zero_when_only_one_of_both_is_empty) {
  EXPECT_EQ(values_of(image({0, 0, 0, 0}), image({0, 1, 0, 0})).at("dice"), 0.0);
  EXPECT_EQ(values_of(image({0, 1, 0, 0}), image({0, 0, 0, 0})).at("dice"), 0.0);
}

TEST(Dice, is_taken_image_by_image) {
  const torch::Tensor predicted = torch::cat({image({1, 1, 0, 0}), image({1, 1, 1, 1})});
  const torch::Tensor truth = torch::cat({image({1, 0, 0, 0}), image({1, 1, 1, 1})});
  EXPECT_NEAR(values_of(predicted, truth).at("dice"), (2.0 / 3.0 + 1.0) / 2.0, score_tolerance);
}

TEST(Dice, is_the_mean_over_all_classes_but_the_background) {
  const MetricValues values = values_of(image({0, 1, 2, 2}), image({0, 1, 1, 2}), 3);
  // Class 1: 2 1 / (1 + 2); class 2: 2 1 / (2 + 1).
  EXPECT_NEAR(values.at("dice"), 2.0 / 3.0, score_tolerance);
  EXPECT_NEAR(values.at("dice_with_background"),
              (2.0 / (2.0 + authors_eps) + 2.0 * 2.0 / (3.0 + authors_eps)) / 3.0, score_tolerance);
}

TEST(Dice, with_background_equals_the_one_of_the_sums) {
  const torch::Tensor predicted = image({1, 1, 0, 0});
  const torch::Tensor truth = image({1, 0, 0, 0});
  EXPECT_EQ(dice_with_background(logits_of(predicted), truth),
            values_of(predicted, truth).at("dice_with_background"));
}

TEST(Dice, gives_ties_to_the_first_class) {
  MetricSums sums(Task::segmentation, 2);
  sums.add(torch::zeros({1, 2, 1, 4}), image({0, 0, 0, 0}), 0.0);
  EXPECT_EQ(sums.values().at("dice"), 1.0);
}

TEST(Accuracy, is_the_share_of_right_answers_and_gives_ties_to_the_first_class) {
  const torch::Tensor logits =
      torch::tensor({{1.0, 0.0}, {0.0, 1.0}, {0.0, 1.0}, {0.5, 0.5}, {0.5, 0.5}});
  MetricSums sums(Task::classification, 2);
  sums.add(logits, torch::tensor({0, 1, 0, 0, 1}), 0.7);
  EXPECT_NEAR(sums.values().at("loss"), 0.7, score_tolerance);
  EXPECT_NEAR(sums.values().at("accuracy"), 0.6, score_tolerance);
}

TEST(MetricSums, of_two_batches_are_those_of_one_batch_of_both) {
  const torch::Tensor logits = test::random_images({5, 3, 8, 8}, 1);
  const torch::Tensor truth = (test::random_images({5, 8, 8}, 2) * 3.0).to(torch::kInt64);
  MetricSums together(Task::segmentation, 3);
  together.add(logits, truth, (2.0 * 0.5 + 3.0 * 1.5) / 5.0);
  MetricSums apart(Task::segmentation, 3);
  apart.add(logits.narrow(0, 0, 2), truth.narrow(0, 0, 2), 0.5);
  apart.add(logits.narrow(0, 2, 3), truth.narrow(0, 2, 3), 1.5);
  const MetricValues expected = together.values();
  ASSERT_EQ(expected.size(), 4U);
  for (const auto& [name, value] : apart.values()) {
    EXPECT_NEAR(value, expected.at(name), score_tolerance) << name;
  }
}

/// The predictions by libtorch, counted class by class and image by image.
MetricValues plainly_counted(const torch::Tensor& logits, const torch::Tensor& truth) {
  const torch::Tensor predicted = logits.argmax(1);
  const std::int64_t classes = logits.size(1);
  double dice = 0.0, authors = 0.0;
  for (std::int64_t image = 0; image < logits.size(0); ++image) {
    for (std::int64_t k = 0; k < classes; ++k) {
      const torch::Tensor p = predicted[image].eq(k), g = truth[image].eq(k);
      const double both = 2.0 * p.logical_and(g).sum().item<double>();
      const double sizes = p.sum().item<double>() + g.sum().item<double>();
      authors += both / (sizes + authors_eps);
      if (k > 0) dice += sizes > 0.0 ? both / sizes : 1.0;
    }
  }
  const auto images = static_cast<double>(logits.size(0));
  return {{"dice", dice / images / static_cast<double>(classes - 1)},
          {"dice_with_background", authors / images / static_cast<double>(classes)}};
}

TEST(MetricSums, count_as_libtorch_does_in_either_memory_format) {
  for (const std::int64_t classes : {2, 5, 17}) {
    torch::Tensor logits = test::random_images({4, classes, 30, 19}, 3);
    logits.select(1, 1).masked_fill_(logits.select(1, 0) > 0.9, std::nan(""));
    logits.round_().select(1, 0).mul_(2.0);  // ties
    const torch::Tensor truth = test::random_images({4, 30, 19}, 4).mul(classes).to(torch::kInt64);
    const MetricValues expected = plainly_counted(logits, truth);
    for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
      MetricSums sums(Task::segmentation, classes);
      sums.add(logits.contiguous(format), truth, 0.0);
      for (const auto& [name, value] : expected) {
        EXPECT_NEAR(sums.values().at(name), value, score_tolerance) << name << ", " << classes;
      }
    }
  }
}

TEST(MetricSums, weigh_the_loss_of_a_batch_by_its_samples) {
  MetricSums sums(Task::classification, 2);
  sums.add(torch::zeros({1, 2}), torch::tensor({0}), 1.0);
  sums.add(torch::zeros({3, 2}), torch::tensor({0, 0, 0}), 2.0);
  EXPECT_NEAR(sums.values().at("loss"), 1.75, score_tolerance);
}

TEST(MetricSums, have_no_values_without_samples) {
  EXPECT_THAT(MetricSums(Task::segmentation, 2).values(), IsEmpty());
  EXPECT_THAT(MetricSums(Task::classification, 2).values(), IsEmpty());
}

TEST(MainMetric, is_one_of_those_that_are_measured) {
  EXPECT_EQ(values_of(image({0}), image({0})).count(std::string(main_metric(Task::segmentation))),
            1U);
  EXPECT_EQ(main_metric(Task::classification), "accuracy");
}

}  // namespace
}  // namespace harmofl
