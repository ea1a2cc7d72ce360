// HarmoFL (Jiang, Wang, Dou, "HarmoFL: Harmonizing local and global drifts in federated learning on
// heterogeneous medical images", AAAI 2022).
//
// Clients see amplitude-normalised images (src/model/amplitude_normalization.cpp) and step with the
// gradient at perturbed weights (below), which leads them to flat minima. The server averages:
//   w_{t+1} = sum p_i w_i, and after the first round R = sum p_i R_i, frozen from then on.
// Both halves are options of the local step, so the method is no more than their defaults.
#include "harmofl/base/error.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/fl/weight_perturbation.hpp"

namespace harmofl {
namespace {
constexpr double norm_eps = 1e-12;
}

AlgorithmEntry harmofl_method() {
  return {"harmofl",
          "Jiang, Wang, Dou, AAAI 2022",
          {},
          {{"perturbation.alpha", "0.05"}, {"amplitude.band", "dc"}},
          make_plain<Algorithm>};
}

WeightPerturbation::WeightPerturbation(const PerturbationOptions& options) : options_(options) {
  HARMOFL_VALIDATE(options.alpha >= 0.0, "perturbation.alpha = ", options.alpha,
                   " must not be negative. 0 switches the perturbation off.");
  HARMOFL_VALIDATE(options.eta >= 0.0, "perturbation.eta = ", options.eta,
                   " must not be negative.");
}

torch::Tensor WeightPerturbation::operator()(ParameterVector& w, const Gradient& gradient) {
  // g1 = grad f(w)
  const torch::Tensor loss = gradient();
  if (options_.alpha == 0.0) return loss;

  torch::NoGradGuard no_grad;
  compute_delta(w);
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

void WeightPerturbation::compute_delta(const ParameterVector& w) {
  if (!delta_.defined()) delta_ = torch::empty_like(w.gradients());
  const auto norm_of = [](const torch::Tensor& x) {
    return at::linalg_vector_norm(x, 2, {}, false, torch::kFloat64);
  };
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

}  // namespace harmofl
