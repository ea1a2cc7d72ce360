// SPDX-License-Identifier: Apache-2.0
// Client weight perturbation on f(w) = w' A w / 2, whose gradient is A w (method.md, section 3).
#include "fl/local/weight_perturbation.hpp"

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

constexpr double gradient_tolerance = 1e-5;  ///< Tolerance of float32 gradients about 10.

torch::Tensor matrix() {
  return torch::tensor({4.0, 1.0, 0.0, 1.0, 3.0, -1.0, 0.0, -1.0, 2.0}).view({3, 3});
}

/// A quadratic over two parameters of lengths 1 and 2.
struct Quadratic {
  Quadratic() { test::set_parameters(w, torch::tensor({1.0, -2.0, 0.3})); }

  /// The gradient at w, the perturbation, the gradient there.
  void step(double alpha) {
    gradient();
    perturb(w, {.alpha = alpha}, delta);
    gradient();
  }

  void gradient() {
    torch::NoGradGuard no_grad;
    w.gradients().copy_(matrix().mv(w.parameters()));
  }

  FlatModule module{{1, 2}};
  ParameterVector w{module, {}, true};
  torch::Tensor delta = torch::empty({3});
};

TEST(WeightPerturbation, leaves_the_gradient_at_the_perturbed_weights) {
  for (const double alpha : {0.005, 0.05, 1.0}) {
    Quadratic f;
    const torch::Tensor w = f.w.parameters().to(torch::kFloat64);
    const torch::Tensor a = matrix().to(torch::kFloat64);
    const torch::Tensor g1 = a.mv(w);
    const torch::Tensor g2 = a.mv(w + alpha * g1 / g1.norm());
    f.step(alpha);
    EXPECT_LT(distance(f.w.gradients(), g2), gradient_tolerance) << "alpha " << alpha;
    EXPECT_GT(distance(g1, g2), 100 * gradient_tolerance) << "the case shows nothing";
    EXPECT_LT(distance(f.delta, alpha * g1 / g1.norm()), gradient_tolerance) << "alpha " << alpha;
  }
}

// As in the published code, w + delta - delta: two roundings of numbers no larger than both.
TEST(WeightPerturbation, restores_the_weights_up_to_two_roundings) {
  constexpr double alpha = 0.05;
  Quadratic f;
  for (const double value : {1.0, 0.1, 1e-7, 3e8}) {
    test::set_parameters(f.w, torch::tensor({1.0, -2.0, 0.3}) * value);
    const torch::Tensor before = f.w.parameters().clone();
    f.step(alpha);
    f.w.parameters().sub_(f.delta);
    const double largest = before.abs().max().item<double>() + alpha;
    EXPECT_LE(distance(f.w.parameters(), before), std::ldexp(largest, -23)) << value;
  }
}

TEST(WeightPerturbation, survives_a_gradient_of_zero) {
  Quadratic f;
  test::set_parameters(f.w, torch::zeros({3}));
  f.step(0.05);
  EXPECT_TRUE(same_bits(f.w.gradients(), torch::zeros({3})));
  EXPECT_TRUE(same_bits(f.w.parameters(), torch::zeros({3})));
}

// ||g|| + 1e-12 is twice ||g|| there: delta has half the length.
TEST(WeightPerturbation, is_shorter_where_the_gradient_nearly_vanishes) {
  Quadratic f;
  f.w.gradients().copy_(torch::tensor({0.0, 6e-13, 8e-13}));
  perturb(f.w, {.alpha = 0.5}, f.delta);
  EXPECT_LT(distance(f.delta, torch::tensor({0.0, 0.15, 0.2})), 1e-6);
}

TEST(WeightPerturbation, refuses_a_negative_length_or_eta) {
  EXPECT_THROW(check(PerturbationOptions{.alpha = -0.05}), UserError);
  EXPECT_THROW(check(PerturbationOptions{.alpha = std::nan("")}), UserError);
  EXPECT_THROW(check(PerturbationOptions{.alpha = 0.05, .eta = -1.0}), UserError);
  EXPECT_NO_THROW(check(PerturbationOptions{.alpha = 0.0}));
}

}  // namespace
}  // namespace harmofl
