// SPDX-License-Identifier: Apache-2.0
// bfloat16 against float32. The CPU has the first too, emulated or not, so this needs no GPU.
#include "model/device/precision.hpp"

#include "model/measures/losses.hpp"
#include "model/model.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::distance;
using test::random_images;
using test::same_bits;
using testing::HasSubstr;

/// Of ||g16 - g32|| / ||g32||. bfloat16 has 8 bits; the U-Net has 23 layers of them, the CNN 4.
/// PyTorch's own autocast is as far off (0.15 for a U-Net and random masks).
double gradient_tolerance(const std::string& network) { return network == "unet" ? 0.25 : 0.1; }
constexpr double min_gradient_error = 1e-5;  ///< Less, and nothing was computed in bfloat16.
constexpr double loss_tolerance = 0.01;      ///< Relative.

struct Problem {
  std::string network;
  NormKind norm;
  bool channels_last;
  bool projection = false;
};

Model model_of(const Problem& problem, Precision precision) {
  ModelOptions options;
  options.network = {problem.network, 4, problem.norm, problem.projection};
  options.channels_last = problem.channels_last;
  options.precision = precision;
  return Model(
      options,
      problem.network == "unet" ? test::segmentation_of(32, 32) : test::classification_of(32, 32),
      1, torch::kCPU);
}

torch::Tensor targets_of(const Problem& problem) {
  torch::manual_seed(5);
  return problem.network == "unet" ? torch::randint(0, 2, {8, 32, 32}, torch::kInt64)
                                   : torch::randint(0, 2, {8}, torch::kInt64);
}

torch::Tensor loss_of(Model& model, const Problem& problem) {
  const torch::Tensor logits = model.forward(random_images({8, 3, 32, 32}, 2));
  return loss(problem.network == "unet" ? LossKind::cross_entropy_dice : LossKind::cross_entropy,
              logits, targets_of(problem));
}

std::vector<Problem> problems() {
  std::vector<Problem> all;
  for (const std::string network : {"unet", "cnn"}) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      for (const bool channels_last : {false, true}) all.push_back({network, norm, channels_last});
    }
  }
  return all;
}

std::string name_of(const Problem& problem) {
  return concat(problem.network, ", norm ", static_cast<int>(problem.norm), ", channels last ",
                problem.channels_last);
}

TEST(Precision, bf16_gives_nearly_the_loss_and_the_gradient_of_fp32) {
  for (const Problem& problem : problems()) {
    Model full = model_of(problem, Precision::fp32);
    Model half = model_of(problem, Precision::bf16);
    const torch::Tensor expected = loss_of(full, problem);
    const torch::Tensor found = loss_of(half, problem);
    expected.backward();
    found.backward();
    const torch::Tensor& g = full.state().gradients();
    const double error = ((half.state().gradients() - g).norm() / g.norm()).item<double>();
    EXPECT_LT(error, gradient_tolerance(problem.network)) << name_of(problem);
    EXPECT_GT(error, min_gradient_error) << name_of(problem);
    EXPECT_NEAR(found.item<double>(), expected.item<double>(),
                loss_tolerance * expected.item<double>())
        << name_of(problem);
  }
}

TEST(Precision, bf16_keeps_weights_gradients_logits_and_loss_in_float32) {
  for (const Problem& problem : problems()) {
    Model model = model_of(problem, Precision::bf16);
    const torch::Tensor value = loss_of(model, problem);
    value.backward();
    EXPECT_EQ(value.scalar_type(), torch::kFloat32) << name_of(problem);
    EXPECT_EQ(model.state().state().scalar_type(), torch::kFloat32);
    EXPECT_EQ(model.state().gradients().scalar_type(), torch::kFloat32);
    EXPECT_TRUE(model.state().gradients().isfinite().all().item<bool>()) << name_of(problem);
  }
}

TEST(Precision, bf16_gives_features_in_float32_with_and_without_projection) {
  for (const bool projection : {false, true}) {
    const Problem problem{"cnn", NormKind::batch, false, projection};
    Model full = model_of(problem, Precision::fp32);
    Model half = model_of(problem, Precision::bf16);
    const torch::Tensor images = random_images({8, 3, 32, 32}, 2);
    torch::Tensor expected;
    torch::Tensor found;
    full.forward(images, &expected);
    half.forward(images, &found);
    EXPECT_EQ(found.scalar_type(), torch::kFloat32);
    EXPECT_LT(distance(found, expected), 0.05 * expected.abs().max().item<double>());
    EXPECT_FALSE(same_bits(found, expected));
  }
}

// Weights move in place between the two passes of a perturbed step: a cast that was kept would be
// that of the old ones.
TEST(Precision, bf16_sees_weights_that_moved_in_place) {
  const Problem problem{"unet", NormKind::batch_stateless, false};
  Model moved = model_of(problem, Precision::bf16);
  Model fresh = model_of(problem, Precision::bf16);
  const torch::Tensor before = loss_of(moved, problem);
  {
    torch::NoGradGuard no_grad;
    moved.state().parameters().mul_(1.5);
    fresh.state().parameters().mul_(1.5);
  }
  const torch::Tensor after = loss_of(moved, problem);
  EXPECT_FALSE(same_bits(after, before));
  EXPECT_TRUE(same_bits(after, loss_of(fresh, problem)));
}

TEST(Precision, bf16_evaluates_in_bf16_and_leaves_autocast_off) {
  const Problem problem{"cnn", NormKind::batch, false};
  Model full = model_of(problem, Precision::fp32);
  Model half = model_of(problem, Precision::bf16);
  full.set_training(false);
  half.set_training(false);
  torch::NoGradGuard no_grad;
  const torch::Tensor found = loss_of(half, problem);
  const torch::Tensor expected = loss_of(full, problem);
  EXPECT_FALSE(same_bits(found, expected)) << "float32 must be what it was before";
  EXPECT_TRUE(same_bits(expected, loss_of(full, problem)));
}

TEST(Precision, refuses_tf32_on_the_cpu) {
  const std::string message =
      test::user_error_of([] { apply_precision(Precision::tf32, torch::kCPU); });
  EXPECT_THAT(message, HasSubstr("device.precision = tf32"));
  EXPECT_THAT(message, HasSubstr("--device.precision fp32"));
  EXPECT_NO_THROW(apply_precision(Precision::fp32, torch::kCPU));
  EXPECT_NO_THROW(apply_precision(Precision::bf16, torch::kCPU));
}

TEST(Precision, has_the_names_of_its_key) {
  EXPECT_EQ(to_string(Precision::fp32), "fp32");
  EXPECT_EQ(to_string(Precision::tf32), "tf32");
  EXPECT_EQ(to_string(Precision::bf16), "bf16");
}

}  // namespace
}  // namespace harmofl
