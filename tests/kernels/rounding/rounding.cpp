// SPDX-License-Identifier: Apache-2.0
#include "kernels/rounding/rounding.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>

namespace harmofl::test {
namespace {

torch::Tensor leaf(const torch::Tensor& values, torch::ScalarType type) {
  return values.to(type).clone(torch::MemoryFormat::Preserve).requires_grad_();
}

/// The outputs of `function`, then the gradients of its inputs. The first input is of `first`, the
/// others of `others`.
Tensors solve(const Function& function, const Problem& problem, torch::ScalarType first,
              torch::ScalarType others) {
  Tensors inputs;
  for (const torch::Tensor& input : problem.inputs) {
    inputs.push_back(leaf(input, inputs.empty() ? first : others));
  }
  Tensors results = function(inputs);
  Tensors gradients;
  for (std::size_t i = 0; i < results.size(); ++i) {
    gradients.push_back(problem.gradients.at(i).to(results[i].scalar_type()));
  }
  torch::autograd::backward(results, gradients);
  for (const torch::Tensor& input : inputs) results.push_back(input.grad());
  for (torch::Tensor& result : results) result = result.detach().to(torch::kFloat64);
  return results;
}

bool is_finite(const torch::Tensor& x) { return x.isfinite().all().item<bool>(); }

void add_errors(const torch::Tensor& own, const torch::Tensor& plain, const torch::Tensor& exact,
                Errors& by_norm, Errors& by_element) {
  const double norm = exact.norm().item<double>();
  const double most = exact.abs().max().item<double>();
  if (norm == 0.0) return;  // a gradient that is masked throughout
  by_norm.own.push_back((own - exact).norm().item<double>() / norm);
  by_norm.plain.push_back((plain - exact).norm().item<double>() / norm);
  by_element.own.push_back((own - exact).abs().max().item<double>() / most);
  by_element.plain.push_back((plain - exact).abs().max().item<double>() / most);
}

}  // namespace

std::int64_t Draw::integer(std::int64_t least, std::int64_t most) {
  return std::uniform_int_distribution<std::int64_t>(least, most)(engine_);
}

torch::Tensor Draw::normal(torch::IntArrayRef shape) {
  torch::Tensor values = torch::empty(shape);
  std::normal_distribution<float> distribution;
  auto* const to = values.data_ptr<float>();
  std::generate_n(to, values.numel(), [&] { return distribution(engine_); });
  return values;
}

torch::Tensor Draw::images(torch::IntArrayRef shape) {
  const double mean = static_cast<double>(integer(-2, 2));
  const torch::Tensor values = normal(shape) + mean / 4.0;
  return (coin() ? values.relu() : values).contiguous(torch::MemoryFormat::ChannelsLast);
}

Measured measure(const Subject& subject, std::uint64_t seed, int cases) {
  Measured rounding{std::vector<Errors>(subject.results.size()),
                    std::vector<Errors>(subject.results.size())};
  for (int i = 0; i < cases; ++i) {
    Draw draw((seed << 20) + static_cast<std::uint64_t>(i));
    const Problem problem = subject.draw(draw);
    const Tensors own = solve(subject.own, problem, subject.type, torch::kFloat32);
    const Tensors plain = solve(subject.plain, problem, subject.type, torch::kFloat32);
    const Tensors exact = solve(subject.plain, problem, torch::kFloat64, torch::kFloat64);
    EXPECT_EQ(own.size(), subject.results.size()) << subject.name;
    for (std::size_t r = 0; r < subject.results.size(); ++r) {
      EXPECT_TRUE(is_finite(own.at(r))) << subject.name << ", " << subject.results[r] << ", " << i;
      if (!is_finite(plain.at(r))) {
        ++rounding.without_yardstick;
        continue;
      }
      add_errors(own.at(r), plain.at(r), exact.at(r), rounding.by_norm[r], rounding.by_element[r]);
    }
  }
  return rounding;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

double largest(const std::vector<double>& values) { return *std::ranges::max_element(values); }

}  // namespace harmofl::test
