// SPDX-License-Identifier: Apache-2.0
#include "model/device/determinism.hpp"

#include "base/host_paths.hpp"
#include "harmofl/base/error.hpp"
#include "model/device/device_memory.hpp"
#include "model/device/nvtx.hpp"
#include "model/measures/losses.hpp"
#include "model/tensors.hpp"
#include "support/errors.hpp"

#include <ATen/Context.h>
#include <gmock/gmock.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using testing::HasSubstr;

TEST(Determinism, sets_a_workspace_for_cublas_where_none_is_set) {
  EXPECT_EQ(cublas_workspace(std::nullopt), ":4096:8");
}

TEST(Determinism, leaves_a_workspace_that_will_do) {
  EXPECT_EQ(cublas_workspace(":4096:8"), std::nullopt);
  EXPECT_EQ(cublas_workspace(":16:8"), std::nullopt);
}

TEST(Determinism, refuses_a_workspace_without_a_fixed_order) {
  for (const char* const other : {"", ":0:0", ":4096:2", "4096:8"}) {
    const std::string message = test::user_error_of([&] { cublas_workspace(other); });
    EXPECT_THAT(message, HasSubstr(concat("CUBLAS_WORKSPACE_CONFIG = ", other))) << other;
    EXPECT_THAT(message, HasSubstr("--device.deterministic false"));
  }
}

TEST(Determinism, changes_nothing_for_the_cpu) {
  at::Context& context = at::globalContext();
  const bool benchmark = context.benchmarkCuDNN();
  for (const bool wanted : {true, false}) {
    apply_determinism(wanted, torch::kCPU);
    EXPECT_FALSE(context.deterministicAlgorithms());
    EXPECT_EQ(context.benchmarkCuDNN(), benchmark);
  }
  EXPECT_EQ(std::getenv(cublas_workspace_name), nullptr);
}

/// While it lives, libtorch is asked for fixed orders of sums.
class FixedOrder {
 public:
  FixedOrder() { at::globalContext().setDeterministicAlgorithms(true, false); }
  ~FixedOrder() { at::globalContext().setDeterministicAlgorithms(false, false); }
};

struct LossAndGradient {
  torch::Tensor loss, gradient;
};

LossAndGradient loss_and_gradient(const LossOptions& options, const torch::Tensor& logits,
                                  const torch::Tensor& targets) {
  const torch::Tensor z = logits.clone().requires_grad_(true);
  const torch::Tensor value = loss(options, z, targets, Kernels::libtorch);
  value.backward();
  return {value.detach(), z.grad()};
}

/// Masks and labels of three classes, each loss, with weights and without.
template <class Check>
void for_each_loss(const Check& check) {
  torch::manual_seed(3);
  for (const bool masks : {true, false}) {
    const torch::Tensor logits = masks ? torch::randn({4, 3, 6, 5}) : torch::randn({7, 3});
    const torch::Tensor targets = masks ? torch::randint(0, 3, {4, 6, 5}, torch::kInt64)
                                        : torch::randint(0, 3, {7}, torch::kInt64);
    for (const LossKind kind :
         {LossKind::cross_entropy, LossKind::cross_entropy_dice, LossKind::focal, LossKind::bce}) {
      if (!masks && kind == LossKind::cross_entropy_dice) continue;
      for (const std::vector<double>& weights :
           {std::vector<double>{}, std::vector<double>{0.5, 2.0, 1.25}}) {
        LossOptions options(kind);
        options.class_weights = weights;
        check(options, logits, targets);
      }
    }
  }
}

// Of float32 numbers of about one: sums of 120 terms in another order.
constexpr double order_tolerance = 2e-6;

/// Expects each loss and its gradient while a `Way` lives to be those without it.
template <class Way>
void expect_same_losses() {
  for_each_loss(
      [](const LossOptions& options, const torch::Tensor& logits, const torch::Tensor& targets) {
        const LossAndGradient expected = loss_and_gradient(options, logits, targets);
        const Way way;
        const LossAndGradient found = loss_and_gradient(options, logits, targets);
        EXPECT_LT(test::distance(found.loss, expected.loss), order_tolerance);
        EXPECT_LT(test::distance(found.gradient, expected.gradient), order_tolerance);
      });
}

TEST(Determinism, gives_each_loss_and_its_gradient_by_sums_in_a_fixed_order) {
  expect_same_losses<FixedOrder>();
}

TEST(GpuPaths, give_each_loss_and_its_gradient) { expect_same_losses<GpuPaths>(); }

TEST(DeviceMemory, is_nothing_without_a_gpu) {
  EXPECT_EQ(free_gpu_bytes(torch::kCPU), 0);
  EXPECT_EQ(peak_gpu_bytes(), 0);
  restart_gpu_peak(torch::kCPU);
  show_ranges(torch::kCPU);
}

}  // namespace
}  // namespace harmofl
