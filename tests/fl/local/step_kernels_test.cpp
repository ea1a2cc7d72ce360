// SPDX-License-Identifier: Apache-2.0
// The passes over flat buffers against libtorch's operations, on lengths that are and are not whole
// vectors and pieces.
#include "fl/flat_module.hpp"
#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "fl/step_oracle.hpp"
#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::distance;
using test::FlatModule;
using test::same_bits;

constexpr std::int64_t lengths[] = {1, 7, 16, 100, 24'234, 32'768, 100'003};
constexpr int step_count = 4;

torch::Tensor random(std::int64_t length, int seed) {
  torch::manual_seed(seed);
  return torch::randn({length});
}

/// Weights, and gradients that differ from pass to pass.
struct Problem {
  explicit Problem(std::int64_t count) : length(count) {
    test::set_parameters(w, random(length, 1));
  }

  void gradient() { w.gradients().copy_(random(length, 10 + passes++) * 1e-2); }

  std::int64_t length;
  FlatModule module{{length}};
  ParameterVector w{module, {}, true};
  int passes = 0;
};

const PerturbationOptions perturbations[] = {
    {.alpha = 0.05}, {.alpha = 0.5, .adaptive = true, .eta = 0.01}, {.alpha = 0.0}};
const OptimizerOptions optimizers[] = {
    {OptimizerKind::sgd, 0.1, 0.0, 0.0},   {OptimizerKind::sgd, 0.1, 0.9, 0.0},
    {OptimizerKind::sgd, 0.01, 0.0, 1e-2}, {OptimizerKind::sgd, 0.01, 0.9, 1e-4},
    {OptimizerKind::adam, 1e-3, 0.9, 0.0}, {OptimizerKind::adam, 1e-2, 0.9, 1e-4}};

/// Perturbed step_count by libtorch's operations.
torch::Tensor expected_weights(std::int64_t length, const PerturbationOptions& perturbation,
                               const OptimizerOptions& options) {
  Problem problem(length);
  const torch::Tensor w = problem.w.parameters(), g = problem.w.gradients();
  test::OracleOptimizer optimizer{options};
  for (int i = 0; i < step_count; ++i) {
    problem.gradient();
    if (perturbation.alpha > 0.0) {
      const torch::Tensor delta = test::oracle_delta(w, g, perturbation);
      w.add_(delta);
      problem.gradient();
      w.sub_(delta);
    }
    optimizer.step(w, g);
  }
  return w;
}

/// The same by the kernels; `together` leaves the way back to the optimiser.
torch::Tensor stepped_weights(std::int64_t length, const PerturbationOptions& perturbation,
                              const OptimizerOptions& options, bool together) {
  Problem problem(length);
  const Optimizer optimizer(options);
  NamedState state;
  torch::Tensor delta;
  if (perturbation.alpha > 0.0) delta = torch::empty({length});
  for (int i = 0; i < step_count; ++i) {
    problem.gradient();
    if (delta.defined()) {
      perturb(problem.w, perturbation, delta);
      problem.gradient();
    }
    if (!together && delta.defined()) problem.w.parameters().sub_(delta);
    optimizer.step(problem.w, state, "optimizer.", together ? delta : torch::Tensor());
  }
  return problem.w.parameters().detach().clone();
}

template <class Check>
void for_all_cases(const Check& check) {
  for (const std::int64_t length : lengths) {
    for (const PerturbationOptions& perturbation : perturbations) {
      for (const OptimizerOptions& options : optimizers) {
        SCOPED_TRACE(testing::Message()
                     << length << " parameters, alpha " << perturbation.alpha << ", optimiser "
                     << static_cast<int>(options.kind) << ", momentum " << options.momentum
                     << ", decay " << options.weight_decay);
        check(length, perturbation, options);
      }
    }
  }
}

TEST(StepKernels, have_the_bits_of_libtorch) {
  for_all_cases([](std::int64_t length, const PerturbationOptions& perturbation,
                   const OptimizerOptions& options) {
    const torch::Tensor expected = expected_weights(length, perturbation, options);
    const torch::Tensor stepped = stepped_weights(length, perturbation, options, false);
    EXPECT_TRUE(same_bits(stepped, expected))
        << (stepped != expected).sum().item<std::int64_t>() << " differ, by up to "
        << distance(stepped, expected);
  });
}

TEST(StepKernels, have_the_same_bits_with_the_way_back_in_the_step) {
  for_all_cases([](std::int64_t length, const PerturbationOptions& perturbation,
                   const OptimizerOptions& options) {
    EXPECT_TRUE(same_bits(stepped_weights(length, perturbation, options, true),
                          stepped_weights(length, perturbation, options, false)));
  });
}

TEST(StepKernels, have_the_same_bits_with_any_number_of_threads) {
  const int before = at::get_num_threads();
  for (const OptimizerOptions& options : optimizers) {
    at::set_num_threads(1);
    const torch::Tensor one = stepped_weights(100'003, perturbations[0], options, true);
    at::set_num_threads(3);
    EXPECT_TRUE(same_bits(stepped_weights(100'003, perturbations[0], options, true), one));
  }
  at::set_num_threads(before);
}

}  // namespace
}  // namespace harmofl
