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
  saved_ = saved_.defined() ? saved_.copy_(w.parameters()) : w.parameters().clone();
  const torch::Tensor scale = alpha_ / (w.gradients().norm() + norm_eps);
  w.parameters().addcmul_(w.gradients(), scale);

  // g2 = grad f(w + delta), on the same batch
  {
    torch::AutoGradMode with_grad(true);
    gradient();
  }

  // The base optimiser steps from w, with g2.
  w.parameters().copy_(saved_);
  return loss;
}

void HarmoFL::server_step(Model& global, const torch::Tensor& average) {
  // w_{t+1} = sum p_i w_i; in the first round also R = sum p_i R_i, frozen from then on.
  global.install(average);
}

}  // namespace harmofl
