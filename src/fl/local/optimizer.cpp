// SPDX-License-Identifier: Apache-2.0
#include "fl/local/optimizer.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/flat/flat_passes.hpp"
#include "kernels/flat/step_kernels.hpp"

#include <cmath>

namespace harmofl {
namespace {

constexpr double adam_beta1 = 0.9;
constexpr double adam_beta2 = 0.999;
constexpr double adam_eps = 1e-8;

// As PyTorch's optimisers call them.
constexpr const char* momentum_buffer = "momentum_buffer";
constexpr const char* mean_name = "exp_avg";
constexpr const char* square_name = "exp_avg_sq";
constexpr const char* step_count = "step";  ///< Of Adam's steps, which starts at 0.

const float* data_or_null(const torch::Tensor& x) {
  return x.defined() ? x.const_data_ptr<float>() : nullptr;
}

/// Element `i` of what `x` points to, or null.
template <class T>
T* from(T* x, std::int64_t i) {
  return x == nullptr ? nullptr : x + i;
}

}  // namespace

Optimizer::Optimizer(OptimizerOptions options) : options_(options) {
  HARMOFL_VALIDATE(options.lr > 0.0, "train.lr = ", options.lr, " must be greater than 0.");
  HARMOFL_VALIDATE(options.momentum >= 0.0 && options.momentum < 1.0,
                   "train.momentum = ", options.momentum, " must lie in [0, 1).");
  HARMOFL_VALIDATE(options.weight_decay >= 0.0, "train.weight_decay = ", options.weight_decay,
                   " must not be negative.");
}

std::map<std::string, std::vector<std::int64_t>> moment_shapes(const OptimizerOptions& options,
                                                               const std::string& prefix,
                                                               std::int64_t parameters) {
  if (options.kind == OptimizerKind::adam) {
    return {{prefix + mean_name, {parameters}},
            {prefix + square_name, {parameters}},
            {prefix + step_count, {}}};
  }
  if (options.momentum == 0.0) return {};
  return {{prefix + momentum_buffer, {parameters}}};
}

void Optimizer::step(ParameterVector& w, NamedState& state, const std::string& prefix,
                     const torch::Tensor& delta) const {
  torch::NoGradGuard no_grad;
  const bool sgd = options_.kind == OptimizerKind::sgd;
  if (flat_on_cpu(w.parameters())) {
    return sgd ? step_sgd_on_cpu(w, state, prefix, delta)
               : step_adam_on_cpu(w, state, prefix, delta);
  }
  if (delta.defined()) w.parameters().sub_(delta);
  return sgd ? step_sgd(w, state, prefix) : step_adam(w, state, prefix);
}

void Optimizer::step_sgd(ParameterVector& w, NamedState& state, const std::string& prefix) const {
  std::vector<torch::Tensor> buffers;
  const bool first = !state.has(prefix + momentum_buffer);
  if (options_.momentum > 0.0) {
    buffers.push_back(state.tensor(prefix + momentum_buffer, w.parameters()));
  }
  const std::vector<torch::Tensor> parameters{w.parameters()};
  const std::vector<torch::Tensor> gradients{w.gradients()};
  at::_fused_sgd_(parameters, gradients, buffers, options_.weight_decay, options_.momentum,
                  options_.lr, /*dampening=*/0.0, /*nesterov=*/false, /*maximize=*/false,
                  /*is_first_step=*/first);
}

void Optimizer::step_adam(ParameterVector& w, NamedState& state, const std::string& prefix) const {
  const std::vector<torch::Tensor> parameters{w.parameters()};
  const std::vector<torch::Tensor> gradients{w.gradients()};
  const std::vector<torch::Tensor> first{state.tensor(prefix + mean_name, w.parameters())};
  const std::vector<torch::Tensor> second{state.tensor(prefix + square_name, w.parameters())};
  torch::Tensor& steps = state.number(prefix + step_count, w.parameters());
  steps.add_(1.0);
  at::_fused_adam_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, {steps},
                   options_.lr, adam_beta1, adam_beta2, options_.weight_decay, adam_eps,
                   /*amsgrad=*/false, /*maximize=*/false);
}

void Optimizer::step_sgd_on_cpu(ParameterVector& w, NamedState& state, const std::string& prefix,
                                const torch::Tensor& delta) const {
  const std::string name = prefix + momentum_buffer;
  const bool first = !state.has(name);
  float* buffer = nullptr;
  if (options_.momentum > 0.0) buffer = state.tensor(name, w.parameters()).data_ptr<float>();
  const SgdFactors factors{static_cast<float>(options_.lr), static_cast<float>(options_.momentum),
                           static_cast<float>(options_.weight_decay)};
  const float* const back = data_or_null(delta);
  const auto* const g = w.gradients().const_data_ptr<float>();
  auto* const weights = w.parameters().data_ptr<float>();
  for_pieces(w.parameters().numel(), [&](std::int64_t i, std::int64_t count) {
    harmofl::step_sgd(from(back, i), g + i, factors, first, count, from(buffer, i), weights + i);
  });
}

void Optimizer::step_adam_on_cpu(ParameterVector& w, NamedState& state, const std::string& prefix,
                                 const torch::Tensor& delta) const {
  auto* const mean = state.tensor(prefix + mean_name, w.parameters()).data_ptr<float>();
  auto* const square = state.tensor(prefix + square_name, w.parameters()).data_ptr<float>();
  const double t = ++*state.number(prefix + step_count, w.parameters()).data_ptr<float>();
  const AdamFactors factors{.lr = static_cast<float>(options_.lr / (1.0 - std::pow(adam_beta1, t))),
                            .beta2 = static_cast<float>(adam_beta2),
                            .rest1 = static_cast<float>(1.0 - adam_beta1),
                            .rest2 = static_cast<float>(1.0 - adam_beta2),
                            .weight_decay = static_cast<float>(options_.weight_decay),
                            .eps = static_cast<float>(adam_eps),
                            .bias = static_cast<float>(std::sqrt(1.0 - std::pow(adam_beta2, t)))};
  const float* const back = data_or_null(delta);
  const auto* const g = w.gradients().const_data_ptr<float>();
  auto* const weights = w.parameters().data_ptr<float>();
  for_pieces(w.parameters().numel(), [&](std::int64_t i, std::int64_t count) {
    harmofl::step_adam(from(back, i), g + i, factors, count, mean + i, square + i, weights + i);
  });
}

}  // namespace harmofl
