// SPDX-License-Identifier: Apache-2.0
// step/sgd|adam/COUNT/ours: the norm of the gradient, the perturbation, the way back and the step,
// of a model of COUNT parameters, against
//   step/.../libtorch  the same by libtorch's operations, one after the other
//   step/.../copy      a copy that moves as many bytes as the passes have to
#include "add.hpp"
#include "fl/flat_module.hpp"
#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "fl/step_oracle.hpp"
#include "harmofl/base/text.hpp"
#include "model/tensors.hpp"

namespace harmofl::bench {
namespace {

/// The small CNN, densenet121 and a model of four times its size.
constexpr std::int64_t counts[] = {24'234, 7'000'000, 31'000'000};
constexpr PerturbationOptions perturbation{.alpha = 0.05};

OptimizerOptions options_of(OptimizerKind kind) { return {kind, 1e-6, 0.9, 1e-4}; }

/// Float32 numbers a parameter that have to be moved. The norm: g. The perturbation: g, w; delta,
/// w. The step: w, delta, g and the moments; w and the moments.
std::int64_t moved(OptimizerKind kind) {
  const std::int64_t moments = kind == OptimizerKind::sgd ? 1 : 2;
  return 1 + 4 + (3 + moments) + (1 + moments);
}

struct Flat {
  explicit Flat(std::int64_t count) : module({count}), w(module, {}, true) {
    test::set_parameters(w, torch::linspace(-1.0, 1.0, count));
    w.gradients().copy_(torch::linspace(0.01, -0.02, count));
  }

  test::FlatModule module;
  ParameterVector w;
};

void by_kernels(Flat& flat, torch::Tensor& delta, const Optimizer& optimizer, NamedState& moments) {
  perturb(flat.w, perturbation, delta);
  optimizer.step(flat.w, moments, "optimizer.", delta);
}

/// What the oracle's perturbation does, with its temporary kept.
void by_libtorch(Flat& flat, torch::Tensor& delta, test::OracleOptimizer& optimizer) {
  const torch::Tensor w = flat.w.parameters(), g = flat.w.gradients();
  at::mul_out(delta, g, perturbation.alpha / (test::oracle_norm(g) + 1e-12));
  w.add_(delta);
  w.sub_(delta);
  optimizer.step(w, g);
}

void ours(benchmark::State& state, OptimizerKind kind, std::int64_t count) {
  const torch::NoGradGuard no_grad;
  Flat flat(count), plain(count);
  const Optimizer optimizer(options_of(kind));
  NamedState moments;
  test::OracleOptimizer oracle{options_of(kind)};
  torch::Tensor delta = torch::empty_like(plain.w.gradients());
  by_kernels(flat, delta, optimizer, moments);
  by_libtorch(plain, delta, oracle);
  if (!(test::distance(flat.w.parameters(), plain.w.parameters()) < 1e-6)) {
    return state.SkipWithError("the weights differ from those by libtorch's operations");
  }
  for (auto _ : state) by_kernels(flat, delta, optimizer, moments);
}

void libtorch(benchmark::State& state, OptimizerKind kind, std::int64_t count) {
  const torch::NoGradGuard no_grad;
  Flat flat(count);
  test::OracleOptimizer optimizer{options_of(kind)};
  torch::Tensor delta = torch::empty_like(flat.w.gradients());
  for (auto _ : state) by_libtorch(flat, delta, optimizer);
}

void copy(benchmark::State& state, OptimizerKind kind, std::int64_t count) {
  const torch::NoGradGuard no_grad;
  const torch::Tensor from = torch::ones({moved(kind) * count / 2});
  torch::Tensor to = torch::zeros_like(from);
  for (auto _ : state) to.copy_(from);
}

const bool registered = [] {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam}) {
    for (const std::int64_t count : counts) {
      const std::string name =
          concat("step/", kind == OptimizerKind::sgd ? "sgd/" : "adam/", count, "/");
      add(name + "ours", [=](benchmark::State& state) { ours(state, kind, count); });
      add(name + "libtorch", [=](benchmark::State& state) { libtorch(state, kind, count); });
      add(name + "copy", [=](benchmark::State& state) { copy(state, kind, count); });
    }
  }
  return true;
}();

}  // namespace
}  // namespace harmofl::bench
