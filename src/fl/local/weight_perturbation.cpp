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

}  // namespace

WeightPerturbation::WeightPerturbation(const PerturbationOptions& options) : options_(options) {
  HARMOFL_VALIDATE(options.alpha >= 0.0, "perturbation.alpha = ", options.alpha,
                   " must not be negative. 0 switches the perturbation off.");
  HARMOFL_VALIDATE(options.eta >= 0.0, "perturbation.eta = ", options.eta,
                   " must not be negative.");
}

torch::Tensor WeightPerturbation::operator()(ParameterVector& w, const Gradient& gradient) {
  const torch::Tensor loss = without_return(w, gradient);
  torch::NoGradGuard no_grad;
  if (const torch::Tensor delta = remaining(); delta.defined()) w.parameters().sub_(delta);
  return loss;
}

torch::Tensor WeightPerturbation::without_return(ParameterVector& w, const Gradient& gradient) {
  // g1 = grad f(w)
  remains_ = false;
  const torch::Tensor loss = gradient();
  if (options_.alpha == 0.0) return loss;

  torch::NoGradGuard no_grad;
  remains_ = flat_on_cpu(w.gradients());
  if (!delta_.defined()) delta_ = torch::empty_like(w.gradients());
  if (remains_) {
    perturb_on_cpu(w);
  } else {
    compute_delta(w);
    w.parameters().add_(delta_);
  }

  // g2 = grad f(w + delta), on the same batch
  {
    torch::AutoGradMode with_grad(true);
    gradient();
  }

  // Back to w, from where the base optimiser steps with g2. Subtracting, as the published code
  // does, rounds like it; the golden traces tell the difference from a saved copy.
  if (!remains_) w.parameters().sub_(delta_);
  return loss;
}

void WeightPerturbation::compute_delta(const ParameterVector& w) {
  if (!options_.adaptive) {
    // delta = alpha g1 / (||g1||_2 + 1e-12), the norm over all trainable parameters together
    at::mul_out(delta_, w.gradients(), options_.alpha / (norm_of(w.gradients()) + norm_eps));
    return;
  }
  // T = |w| + eta;  delta = alpha T^2 g1 / (||T g1||_2 + 1e-12)
  const torch::Tensor size = w.parameters().abs().add_(options_.eta);
  at::mul_out(delta_, w.gradients(), size);
  const torch::Tensor norm = norm_of(delta_);
  delta_.mul_(size).mul_(options_.alpha / (norm + norm_eps));
}

// The same numbers in two passes: the norm, then delta and w + delta.
void WeightPerturbation::perturb_on_cpu(const ParameterVector& w) {
  const std::int64_t total = w.gradients().numel();
  const auto* const g = w.gradients().const_data_ptr<float>();
  auto* const weights = w.parameters().data_ptr<float>();
  auto* const delta = delta_.data_ptr<float>();
  const auto eta = static_cast<float>(options_.eta);
  const bool adaptive = options_.adaptive;
  const double squares = sum_pieces(total, [&](std::int64_t i, std::int64_t count) {
    return adaptive ? scaled_sum_of_squares(g + i, weights + i, eta, count)
                    : sum_of_squares(g + i, count);
  });
  const auto scale = static_cast<float>(options_.alpha / (std::sqrt(squares) + norm_eps));
  for_pieces(total, [&](std::int64_t i, std::int64_t count) {
    if (adaptive) {
      perturb_scaled(g + i, scale, eta, count, delta + i, weights + i);
    } else {
      perturb(g + i, scale, count, delta + i, weights + i);
    }
  });
}

}  // namespace harmofl
