// SPDX-License-Identifier: Apache-2.0
// Methods without a golden trace, on a federation of quadratics f_i(w) = sum_j a_ij (w_j - b_ij)^2
// / 2, against the papers' formulas written out in float64 with plain numbers.
#include "fl/flat_module.hpp"
#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "io/samples.hpp"

#include <gmock/gmock.h>

#include <array>
#include <cmath>
#include <valarray>

namespace harmofl {
namespace {

using Vector = std::valarray<double>;
using test::FlatModule;

constexpr int clients = 3;
constexpr int rounds = 4;
constexpr double lr = 0.1;
constexpr double p = 1.0 / clients;
constexpr double formula_tolerance =
    2e-6;  ///< Tolerance of float32 weights of size 1 after some ten steps.
const std::array<int, clients> tau{2, 3, 1};
const std::array<Vector, clients> a{Vector{1.0, 2.0, 0.5}, Vector{0.3, 1.5, 2.5},
                                    Vector{2.0, 0.7, 1.0}};
const std::array<Vector, clients> b{Vector{1.0, -1.0, 0.5}, Vector{-0.5, 2.0, 1.0},
                                    Vector{0.2, 0.4, -1.5}};
const Vector start{0.3, -0.2, 0.8};

Vector gradient(int i, const Vector& w) { return a[i] * (w - b[i]); }
double norm(const Vector& x) { return std::sqrt((x * x).sum()); }

torch::Tensor tensor_of(const Vector& x) {
  return torch::tensor(std::vector<double>(std::begin(x), std::end(x))).to(torch::kFloat32);
}
Vector vector_of(const torch::Tensor& x) {
  const torch::Tensor host = x.to(torch::kFloat64).contiguous();
  return Vector(host.const_data_ptr<double>(), static_cast<std::size_t>(host.numel()));
}

/// What a run of the program's own method ends with.
struct Ending {
  Vector w;
  std::array<NamedState, clients> kept;
};

/// The clients of each round.
using Cohorts = std::array<std::vector<int>, rounds>;
const Cohorts everyone{{{0, 1, 2}, {0, 1, 2}, {0, 1, 2}, {0, 1, 2}}};
const Cohorts some{{{0, 1}, {2}, {0, 1, 2}, {1, 2}}};

/// Runs a method as the local trainer and the simulation do, on the quadratics.
Ending run(const std::string& name, const AlgorithmValues& values = {},
           const PerturbationOptions& perturbed = {}, const Cohorts& cohorts = everyone) {
  torch::NoGradGuard no_grad;
  const auto method = make_algorithm(name, values);
  const Optimizer optimizer({OptimizerKind::sgd, lr, 0.0, 0.0});
  FlatModule module({3});
  ParameterVector w(module, {}, false);
  Ending ending;
  NamedState server;
  torch::Tensor global = tensor_of(start);
  for (const std::vector<int>& cohort : cohorts) {
    const double share = 1.0 / static_cast<double>(cohort.size());
    torch::Tensor average = torch::zeros({3});
    torch::Tensor extra = torch::zeros({method->extra_count(3)});
    for (const int i : cohort) {
      test::set_parameters(w, global);
      ClientWork work{w, w.state(), global.clone(), ending.kept[i], server};
      work.lr = lr;
      work.extra = torch::zeros_like(extra);
      work.step = [&](const std::string& prefix) {
        const auto gradient = [&] {
          w.gradients().copy_(tensor_of(a[i]) * (w.parameters() - tensor_of(b[i])));
          method->add_gradient(work);
        };
        gradient();
        torch::Tensor delta;
        if (perturbed.alpha > 0.0) {
          delta = torch::empty({3});
          perturb(w, perturbed, delta);
          gradient();
        }
        optimizer.step(w, work.client, prefix, delta);
      };
      method->begin(work);
      for (int step = 0; step < tau[i]; ++step) {
        work.step("optimizer.");
        ++work.steps;
        method->after_step(work);
      }
      method->finish(work);
      average += share * w.parameters();
      extra += share * work.extra;
    }
    ServerRound server_round{global, average, extra, server};
    server_round.participation = static_cast<double>(cohort.size()) / clients;
    method->server_step(server_round);
    global = average;
  }
  ending.w = vector_of(global);
  return ending;
}

void expect_near(const Vector& got, const Vector& expected) {
  for (std::size_t j = 0; j < expected.size(); ++j) {
    EXPECT_NEAR(got[j], expected[j], formula_tolerance) << "element " << j;
  }
}

/// Mean update of the clients' plain steps from w.
Vector mean_update(const Vector& w) {
  Vector update(3);
  for (int i = 0; i < clients; ++i) {
    Vector y = w;
    for (int step = 0; step < tau[i]; ++step) y -= lr * gradient(i, y);
    update += p * (y - w);
  }
  return update;
}

TEST(Methods, fedavg_averages) {
  Vector w = start;
  for (int round = 0; round < rounds; ++round) w += mean_update(w);
  expect_near(run("fedavg").w, w);
}

TEST(Methods, fedavgm_steps_with_momentum) {
  Vector w = start, u(3);
  for (int round = 0; round < rounds; ++round) {
    u = 0.6 * u + mean_update(w);
    w += 0.8 * u;
  }
  expect_near(run("fedavgm", {{"beta", "0.6"}, {"server_lr", "0.8"}}).w, w);
}

/// FedAdam, FedYogi and FedAdagrad: `next` gives v from v and Delta^2.
Vector adaptive(const std::function<Vector(const Vector&, const Vector&)>& next) {
  const double b1 = 0.9, eta = 0.05, t = 1e-3;
  Vector w = start, m(3), v(t * t, 3);
  for (int round = 0; round < rounds; ++round) {
    const Vector delta = mean_update(w);
    m = b1 * m + (1.0 - b1) * delta;
    v = next(v, delta * delta);
    w += eta * m / (std::sqrt(v) + t);
  }
  return w;
}

TEST(Methods, fedadam_adapts) {
  expect_near(run("fedadam", {{"server_lr", "0.05"}}).w,
              adaptive([](const Vector& v, const Vector& d2) -> Vector {
                return 0.99 * v + (1.0 - 0.99) * d2;
              }));
}

TEST(Methods, fedyogi_adapts_by_the_sign) {
  expect_near(run("fedyogi", {{"server_lr", "0.05"}}).w,
              adaptive([](const Vector& v, const Vector& d2) -> Vector {
                Vector next = v;
                for (std::size_t j = 0; j < 3; ++j) {
                  const double sign = v[j] > d2[j] ? 1.0 : v[j] < d2[j] ? -1.0 : 0.0;
                  next[j] = v[j] - (1.0 - 0.99) * d2[j] * sign;
                }
                return next;
              }));
}

TEST(Methods, fedadagrad_adds_up_squares) {
  expect_near(run("fedadagrad", {{"server_lr", "0.05"}}).w,
              adaptive([](const Vector& v, const Vector& d2) -> Vector { return v + d2; }));
}

TEST(Methods, fedprox_pulls_towards_the_global_model) {
  const double mu = 0.7;
  Vector w = start;
  for (int round = 0; round < rounds; ++round) {
    Vector next(3);
    for (int i = 0; i < clients; ++i) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) y -= lr * (gradient(i, y) + mu * (y - w));
      next += p * y;
    }
    w = next;
  }
  expect_near(run("fedprox", {{"mu", "0.7"}}).w, w);
}

TEST(Methods, fednova_counts_updates_by_step) {
  Vector w = start;
  for (int round = 0; round < rounds; ++round) {
    Vector direction(3);
    double tau_eff = 0.0;
    for (int i = 0; i < clients; ++i) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) y -= lr * gradient(i, y);
      direction += p * (y - w) / static_cast<double>(tau[i]);
      tau_eff += p * tau[i];
    }
    w += tau_eff * direction;
  }
  expect_near(run("fednova").w, w);
}

TEST(Methods, scaffold_corrects_by_control_variates) {
  Vector w = start, c(3);
  std::array<Vector, clients> own;
  own.fill(Vector(3));
  for (int round = 0; round < rounds; ++round) {
    Vector next(3), change(3);
    for (int i = 0; i < clients; ++i) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) y -= lr * (gradient(i, y) - own[i] + c);
      const Vector moved = own[i] - c + (w - y) / (tau[i] * lr);
      change += p * (moved - own[i]);
      own[i] = moved;
      next += p * y;
    }
    w = next;
    c += change;
  }
  const Ending ending = run("scaffold");
  expect_near(ending.w, w);
  for (int i = 0; i < clients; ++i) {
    SCOPED_TRACE(i);
    expect_near(vector_of(ending.kept[i].get("scaffold.c")), own[i]);
  }
}

TEST(Methods, scaffold_moves_the_control_variate_by_the_share_that_took_part) {
  Vector w = start, c(3);
  std::array<Vector, clients> own;
  own.fill(Vector(3));
  for (const std::vector<int>& cohort : some) {
    Vector moves(3), changes(3);
    for (const int i : cohort) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) y -= lr * (gradient(i, y) - own[i] + c);
      const Vector moved = own[i] - c + (w - y) / (tau[i] * lr);
      changes += moved - own[i];
      own[i] = moved;
      moves += y - w;
    }
    w += moves / static_cast<double>(cohort.size());
    c += changes / static_cast<double>(clients);
  }
  // What the formula is for: c is the mean of the variates of all clients.
  expect_near(c, (own[0] + own[1] + own[2]) / static_cast<double>(clients));
  const Ending ending = run("scaffold", {}, {}, some);
  expect_near(ending.w, w);
  for (int i = 0; i < clients; ++i) {
    SCOPED_TRACE(i);
    expect_near(vector_of(ending.kept[i].get("scaffold.c")), own[i]);
  }
}

TEST(Methods, feddyn_regularises_dynamically) {
  const double alpha = 0.4;
  Vector w = start, h(3);
  std::array<Vector, clients> own;
  own.fill(Vector(3));
  for (int round = 0; round < rounds; ++round) {
    Vector mean(3), moved(3);
    for (int i = 0; i < clients; ++i) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) {
        y -= lr * (gradient(i, y) - own[i] + alpha * (y - w));
      }
      own[i] -= alpha * (y - w);
      mean += p * y;
      moved += y - w;
    }
    h -= alpha / clients * moved;
    w = mean - h / alpha;
  }
  expect_near(run("feddyn", {{"a", "0.4"}}).w, w);
}

TEST(Methods, feddyn_moves_the_servers_state_by_the_share_that_took_part) {
  const double alpha = 0.4;
  Vector w = start, h(3);
  std::array<Vector, clients> own;
  own.fill(Vector(3));
  for (const std::vector<int>& cohort : some) {
    Vector sum(3), moved(3);
    for (const int i : cohort) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) {
        y -= lr * (gradient(i, y) - own[i] + alpha * (y - w));
      }
      own[i] -= alpha * (y - w);
      sum += y;
      moved += y - w;
    }
    h -= alpha / clients * moved;
    w = sum / static_cast<double>(cohort.size()) - h / alpha;
  }
  expect_near(run("feddyn", {{"a", "0.4"}}, {}, some).w, w);
}

/// FedSAM with delta = rho scale^2 g / ||scale g||, scale = 1 or |w| + eta.
Vector sharpness_aware(double rho, bool adaptive_scale, double eta) {
  Vector w = start;
  for (int round = 0; round < rounds; ++round) {
    Vector next(3);
    for (int i = 0; i < clients; ++i) {
      Vector y = w;
      for (int step = 0; step < tau[i]; ++step) {
        const Vector g = gradient(i, y);
        const Vector scale = adaptive_scale ? Vector(std::abs(y) + eta) : Vector(1.0, 3);
        y -= lr * gradient(i, y + rho * scale * scale * g / (norm(scale * g) + 1e-12));
      }
      next += p * y;
    }
    w = next;
  }
  return w;
}

TEST(Methods, fedsam_steps_with_the_gradient_at_perturbed_weights) {
  expect_near(run("fedsam", {}, {.alpha = 0.3}).w, sharpness_aware(0.3, false, 0.0));
}

TEST(Methods, fedsam_perturbs_in_proportion_to_the_weights_when_adaptive) {
  expect_near(run("fedsam", {}, {.alpha = 0.3, .adaptive = true}).w,
              sharpness_aware(0.3, true, 0.0));
  expect_near(run("fedsam", {}, {.alpha = 0.3, .adaptive = true, .eta = 0.2}).w,
              sharpness_aware(0.3, true, 0.2));
}

TEST(Methods, ditto_keeps_a_personal_model_beside_fedavg) {
  const double lambda = 0.5;
  Vector w = start;
  std::array<Vector, clients> own;
  own.fill(start);
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < clients; ++i) {
      for (int step = 0; step < tau[i]; ++step) {
        own[i] -= lr * (gradient(i, own[i]) + lambda * (own[i] - w));
      }
    }
    w += mean_update(w);
  }
  const Ending ending = run("ditto", {{"lambda", "0.5"}});
  expect_near(ending.w, w);
  for (int i = 0; i < clients; ++i) {
    SCOPED_TRACE(i);
    expect_near(vector_of(ending.kept[i].get("ditto.personal")), own[i]);
  }
}

TEST(MethodOptions, out_of_range_are_refused_by_name) {
  EXPECT_THAT(test::user_error_of([] { make_algorithm("fedprox", {{"mu", "-1"}}); }),
              testing::HasSubstr("algorithm.mu = -1"));
  EXPECT_THAT(test::user_error_of([] { make_algorithm("fedavgm", {{"beta", "1"}}); }),
              testing::HasSubstr("algorithm.beta = 1"));
  EXPECT_THAT(test::user_error_of([] { make_algorithm("moon", {{"temperature", "x"}}); }),
              testing::HasSubstr("algorithm.temperature = x"));
}

TEST(MethodOptions, of_another_method_are_refused) {
  EXPECT_THROW(make_algorithm("fedavg", {{"mu", "1"}}), UsageError);
  EXPECT_THROW(make_algorithm("fedaverage", {}), UsageError);
}

TEST(MethodCautions, name_what_lies_outside_the_theory) {
  const auto cautions = [](const std::string& name, const MethodContext& context) {
    return make_algorithm(name, {})->cautions(context);
  };
  const OptimizerOptions adam{OptimizerKind::adam, 1e-3, 0.9, 0.0};
  const OptimizerOptions plain{OptimizerKind::sgd, 1e-1, 0.0, 0.0};
  EXPECT_THAT(cautions("fednova", {.optimizer = adam}), testing::SizeIs(1));
  EXPECT_THAT(cautions("fednova", {.optimizer = plain}), testing::IsEmpty());
  EXPECT_THAT(cautions("fedbn", {.norm = NormKind::batch_stateless}), testing::SizeIs(1));
  EXPECT_THAT(cautions("fedbn", {.norm = NormKind::batch}), testing::IsEmpty());
  EXPECT_THAT(cautions("scaffold", {.optimizer = adam}), testing::SizeIs(1));
  EXPECT_THAT(cautions("scaffold", {.optimizer = plain, .weights = Weighting::samples}),
              testing::SizeIs(1));
  EXPECT_THAT(cautions("scaffold", {.optimizer = plain}), testing::IsEmpty());
  EXPECT_THAT(cautions("feddyn", {.weights = Weighting::samples}), testing::SizeIs(1));
}

}  // namespace
}  // namespace harmofl
