#include "harmofl/fl/harmofl.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {
namespace {
constexpr double norm_eps = 1e-12;
}

WeightPerturbation::WeightPerturbation(double alpha) : alpha_(alpha) {
  HARMOFL_VALIDATE(alpha >= 0.0, "perturbation.alpha = ", alpha,
                   " must not be negative. 0 switches the perturbation off.");
}

torch::Tensor WeightPerturbation::operator()(ParameterVector& w, const Gradient& gradient) {
  // g1 = grad f(w)
  const torch::Tensor loss = gradient();
  if (alpha_ == 0.0) return loss;

  // delta = alpha g1 / (||g1||_2 + 1e-12), the norm over all trainable parameters together
  torch::NoGradGuard no_grad;
  const torch::Tensor norm = at::linalg_vector_norm(w.gradients(), 2, {}, false, torch::kFloat64);
  const torch::Tensor scale = alpha_ / (norm + norm_eps);
  if (!delta_.defined()) delta_ = torch::empty_like(w.gradients());
  at::mul_out(delta_, w.gradients(), scale);
  w.parameters().add_(delta_);

  // g2 = grad f(w + delta), on the same batch
  {
    torch::AutoGradMode with_grad(true);
    gradient();
  }

  // Back to w, from where the base optimiser steps with g2. Subtracting, as the published code
  // does, rounds like it; the golden traces tell the difference from a saved copy.
  w.parameters().sub_(delta_);
  return loss;
}

void HarmoFL::server_step(Model& global, const torch::Tensor& average) {
  // w_{t+1} = sum p_i w_i; in the first round also R = sum p_i R_i, frozen from then on.
  global.install(average);
}

}  // namespace harmofl
