// SPDX-License-Identifier: Apache-2.0
// Optimisers against their formulas, written out in float64.
#include "fl/local/optimizer.hpp"

#include "fl/flat_module.hpp"
#include "harmofl/base/error.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::distance;
using test::FlatModule;
using test::same_bits;

constexpr int steps = 5;
constexpr double weight_tolerance = 1e-6;  ///< Five float32 steps of weights about 1.

torch::Tensor first_weights() { return torch::tensor({0.5, -1.0, 2.0, 0.0, 1e-3}); }

/// Gradients that change from step to step.
torch::Tensor gradient_of(int step) {
  return torch::tensor({0.3, -0.2, 0.1, 1.0, -2.0}) * (1.0 + 0.5 * step) - 0.1 * step;
}

/// Runs the optimiser, calling `between(state)` after every step; returns the weights.
template <class Between>
torch::Tensor run(const OptimizerOptions& options, const Between& between) {
  FlatModule module({2, 3});
  ParameterVector w(module, {}, true);
  test::set_parameters(w, first_weights());
  const Optimizer optimizer(options);
  NamedState state;
  for (int i = 0; i < steps; ++i) {
    w.gradients().copy_(gradient_of(i));
    optimizer.step(w, state);
    between(state);
  }
  return w.parameters().detach().clone();
}

torch::Tensor run(const OptimizerOptions& options) {
  return run(options, [](NamedState&) {});
}

/// g + weight_decay w
torch::Tensor decayed(int step, const torch::Tensor& w, double weight_decay) {
  return gradient_of(step).to(torch::kFloat64) + weight_decay * w;
}

TEST(Sgd, follows_its_formula_with_momentum_and_weight_decay) {
  for (const double momentum : {0.0, 0.5, 0.9}) {
    for (const double weight_decay : {0.0, 0.1}) {
      torch::Tensor w = first_weights().to(torch::kFloat64);
      torch::Tensor buffer = torch::zeros_like(w);  // so that the first one is g
      for (int i = 0; i < steps; ++i) {
        buffer = momentum * buffer + decayed(i, w, weight_decay);
        w = w - 0.1 * buffer;
      }
      EXPECT_LT(distance(run({OptimizerKind::sgd, 0.1, momentum, weight_decay}), w),
                weight_tolerance)
          << "momentum " << momentum << ", weight decay " << weight_decay;
    }
  }
}

TEST(Adam, follows_its_formula_with_weight_decay_in_the_gradient) {
  constexpr double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, lr = 0.01;
  for (const double weight_decay : {0.0, 0.1}) {
    torch::Tensor w = first_weights().to(torch::kFloat64);
    torch::Tensor m = torch::zeros_like(w);
    torch::Tensor v = torch::zeros_like(w);
    for (int i = 0; i < steps; ++i) {
      const torch::Tensor g = decayed(i, w, weight_decay);
      m = beta1 * m + (1.0 - beta1) * g;
      v = beta2 * v + (1.0 - beta2) * g * g;
      const torch::Tensor m_hat = m / (1.0 - std::pow(beta1, i + 1));
      const torch::Tensor v_hat = v / (1.0 - std::pow(beta2, i + 1));
      w = w - lr * m_hat / (v_hat.sqrt() + eps);
    }
    EXPECT_LT(distance(run({OptimizerKind::adam, lr, 0.9, weight_decay}), w), weight_tolerance)
        << "weight decay " << weight_decay;
  }
}

TEST(Optimizer, goes_on_from_a_named_state_that_was_written_and_read) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam}) {
    const OptimizerOptions options{kind, 0.1, 0.9, 0.1};
    const torch::Tensor moved = run(options, [](NamedState& state) {
      NamedState other;
      other.import_tensors(NamedState::parse(state.serialize()), torch::kCPU);
      state = other;
    });
    const torch::Tensor forgetful = run(options, [](NamedState& state) { state = {}; });
    EXPECT_TRUE(same_bits(moved, run(options)));
    EXPECT_FALSE(same_bits(forgetful, run(options))) << "the state has no effect";
  }
}

TEST(Optimizer, of_plain_sgd_keeps_no_state) {
  run({OptimizerKind::sgd, 0.1, 0.0, 0.0},
      [](NamedState& state) { EXPECT_TRUE(state.export_tensors().empty()); });
}

TEST(Optimizer, refuses_options_out_of_range) {
  const double nan = std::nan("");
  for (const double lr : {0.0, -1.0, nan}) {
    EXPECT_THROW(Optimizer({OptimizerKind::sgd, lr, 0.9, 0.0}), UserError) << lr;
  }
  for (const double momentum : {-0.1, 1.0, nan}) {
    EXPECT_THROW(Optimizer({OptimizerKind::sgd, 0.1, momentum, 0.0}), UserError) << momentum;
  }
  for (const double weight_decay : {-0.1, nan}) {
    EXPECT_THROW(Optimizer({OptimizerKind::sgd, 0.1, 0.9, weight_decay}), UserError);
  }
}

}  // namespace
}  // namespace harmofl
