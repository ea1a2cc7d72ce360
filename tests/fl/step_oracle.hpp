// SPDX-License-Identifier: Apache-2.0
/// The step by libtorch's own operations, one after the other: what the kernels of the step
/// replace.
#pragma once

#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"

#include <torch/types.h>

#include <cmath>

namespace harmofl::test {

inline torch::Tensor oracle_norm(const torch::Tensor& x) {
  return at::linalg_vector_norm(x, 2, {}, false, torch::kFloat64);
}

/// alpha g / (||g|| + 1e-12), or with T = |w| + eta: alpha T T g / (||T g|| + 1e-12).
inline torch::Tensor oracle_delta(const torch::Tensor& w, const torch::Tensor& g,
                                  const PerturbationOptions& options) {
  if (!options.adaptive) return g * (options.alpha / (oracle_norm(g) + 1e-12));
  const torch::Tensor size = w.abs().add(options.eta);
  const torch::Tensor delta = g * size;
  return (delta * size) * (options.alpha / (oracle_norm(delta) + 1e-12));
}

/// An optimiser's moments, and its step by libtorch's fused kernels.
struct OracleOptimizer {
  OptimizerOptions options;
  torch::Tensor first = {}, second = {}, steps = torch::zeros({});

  void step(const torch::Tensor& w, const torch::Tensor& g) {
    const bool start = !first.defined();
    if (start) first = torch::zeros_like(w);
    if (start) second = torch::zeros_like(w);
    if (options.kind == OptimizerKind::sgd) {
      std::vector<torch::Tensor> buffers;
      if (options.momentum > 0.0) buffers.push_back(first);
      at::_fused_sgd_({w}, {g}, buffers, options.weight_decay, options.momentum, options.lr, 0.0,
                      false, false, start);
    } else {
      steps.add_(1.0);
      at::_fused_adam_({w}, {g}, {first}, {second}, {}, {steps}, options.lr, 0.9, 0.999,
                       options.weight_decay, 1e-8, false, false);
    }
  }
};

}  // namespace harmofl::test
