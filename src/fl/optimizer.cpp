#include "harmofl/fl/optimizer.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {
namespace {

constexpr double adam_beta1 = 0.9;
constexpr double adam_beta2 = 0.999;
constexpr double adam_eps = 1e-8;

}  // namespace

Optimizer::Optimizer(OptimizerOptions options) : options_(options) {
  HARMOFL_VALIDATE(options.lr > 0.0, "train.lr = ", options.lr, " must be greater than 0.");
  HARMOFL_VALIDATE(options.momentum >= 0.0 && options.momentum < 1.0,
                   "train.momentum = ", options.momentum, " must lie in [0, 1).");
  HARMOFL_VALIDATE(options.weight_decay >= 0.0, "train.weight_decay = ", options.weight_decay,
                   " must not be negative.");
}

void Optimizer::step(ParameterVector& w, NamedState& state, const std::string& prefix) const {
  torch::NoGradGuard no_grad;
  if (options_.kind == OptimizerKind::sgd) {
    step_sgd(w, state, prefix);
  } else {
    step_adam(w, state, prefix);
  }
}

void Optimizer::step_sgd(ParameterVector& w, NamedState& state, const std::string& prefix) const {
  std::vector<torch::Tensor> buffers;
  const bool first = !state.has(prefix + "momentum_buffer");
  if (options_.momentum > 0.0) {
    buffers.push_back(state.tensor(prefix + "momentum_buffer", w.parameters()));
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
  const std::vector<torch::Tensor> first{state.tensor(prefix + "exp_avg", w.parameters())};
  const std::vector<torch::Tensor> second{state.tensor(prefix + "exp_avg_sq", w.parameters())};
  torch::Tensor& steps = state.tensor(prefix + "step", torch::zeros({}, w.parameters().options()));
  steps.add_(1.0);
  at::_fused_adam_(parameters, gradients, first, second, /*max_exp_avg_sqs=*/{}, {steps},
                   options_.lr, adam_beta1, adam_beta2, options_.weight_decay, adam_eps,
                   /*amsgrad=*/false, /*maximize=*/false);
}

}  // namespace harmofl
