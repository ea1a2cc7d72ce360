// SPDX-License-Identifier: Apache-2.0
#include "fl/local/weight_perturbation.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/flat/flat_passes.hpp"
#include "kernels/flat/step_kernels.hpp"

#include <cmath>

namespace harmofl {
namespace {

constexpr double norm_eps = 1e-12;

torch::Tensor norm_of(const torch::Tensor& x) {
  return at::linalg_vector_norm(x, 2, {}, false, torch::kFloat64);
}

void perturb_by_libtorch(ParameterVector& w, const PerturbationOptions& options,
                         torch::Tensor& delta) {
  const torch::Tensor& g = w.gradients();
  if (options.adaptive) {
    // T = |w| + eta;  delta = alpha T^2 g1 / (||T g1||_2 + 1e-12)
    const torch::Tensor size = w.parameters().abs().add_(options.eta);
    at::mul_out(delta, g, size);
    const torch::Tensor norm = norm_of(delta);
    delta.mul_(size).mul_(options.alpha / (norm + norm_eps));
  } else {
    // delta = alpha g1 / (||g1||_2 + 1e-12), the norm over all trainable parameters together
    at::mul_out(delta, g, options.alpha / (norm_of(g) + norm_eps));
  }
  w.parameters().add_(delta);
}

// The same numbers in two passes: the norm, then delta and w + delta.
void perturb_by_kernels(ParameterVector& w, const PerturbationOptions& options,
                        torch::Tensor& delta) {
  const std::int64_t total = w.gradients().numel();
  const auto* const g = w.gradients().const_data_ptr<float>();
  auto* const weights = w.parameters().data_ptr<float>();
  auto* const moved = delta.data_ptr<float>();
  const auto eta = static_cast<float>(options.eta);
  const bool adaptive = options.adaptive;
  const double squares = sum_pieces(total, [&](std::int64_t i, std::int64_t count) {
    return adaptive ? scaled_sum_of_squares(g + i, weights + i, eta, count)
                    : sum_of_squares(g + i, count);
  });
  const auto scale = static_cast<float>(options.alpha / (std::sqrt(squares) + norm_eps));
  for_pieces(total, [&](std::int64_t i, std::int64_t count) {
    if (adaptive) {
      perturb_scaled(g + i, scale, eta, count, moved + i, weights + i);
    } else {
      harmofl::perturb(g + i, scale, count, moved + i, weights + i);
    }
  });
}

}  // namespace

void check(const PerturbationOptions& options) {
  HARMOFL_VALIDATE(options.alpha >= 0.0, "perturbation.alpha = ", options.alpha,
                   " must not be negative. 0 switches the perturbation off.");
  HARMOFL_VALIDATE(options.eta >= 0.0, "perturbation.eta = ", options.eta,
                   " must not be negative.");
}

void perturb(ParameterVector& w, const PerturbationOptions& options, torch::Tensor& delta) {
  torch::NoGradGuard no_grad;
  HARMOFL_EXPECT(delta.numel() == w.gradients().numel());
  if (flat_on_cpu(w.gradients())) {
    perturb_by_kernels(w, options, delta);
  } else {
    perturb_by_libtorch(w, options, delta);
  }
}

}  // namespace harmofl
