// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/gradients.hpp"

#include "data/batches/batches.hpp"
#include "fl/analysis/model_guard.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace harmofl {
namespace {

double inner_product(const torch::Tensor& a, const torch::Tensor& b) {
  return a.to(torch::kFloat64).dot(b.to(torch::kFloat64)).item<double>();
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double cosine(double product, double norms) {
  if (norms == 0.0) return std::numeric_limits<double>::quiet_NaN();
  return std::clamp(product / norms, -1.0, 1.0);
}

}  // namespace

torch::Tensor split_gradient(Model& model, const Samples& samples, const LossOptions& loss_options,
                             std::int64_t batch_size, Statistics statistics) {
  HARMOFL_VALIDATE(samples.count() > 0, "there are no samples to take a gradient over. ",
                   "Choose a split that has some.");
  const ModelGuard kept(model);
  const torch::Tensor& gradients = model.state().gradients();
  model.set_training(statistics == Statistics::batch);
  torch::Tensor sum = torch::zeros_like(gradients, torch::kFloat64);
  BatchStream batches(samples, BatchOptions{.batch_size = batch_size});
  while (const auto batch = batches.next()) {
    gradients.zero_();
    const torch::Tensor logits = model.forward(model.amplitude().normalize(batch->images));
    loss(loss_options.unweighted(), logits, batch->targets, model.kernels()).backward();
    // g += (n_b / n) g_b
    sum.add_(gradients,
             static_cast<double>(batch->images.size(0)) / static_cast<double>(samples.count()));
  }
  return sum.to(torch::kFloat32);
}

GradientGeometry geometry(const std::vector<torch::Tensor>& gradients) {
  HARMOFL_EXPECT(!gradients.empty());
  const std::size_t count = gradients.size();
  std::vector<std::vector<double>> products(count, std::vector<double>(count));
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      products[i][j] = products[j][i] = inner_product(gradients[i], gradients[j]);
    }
  }
  // <g_i, m> = (1/K) sum_j <g_i, g_j>, ||m||^2 = (1/K) sum_i <g_i, m>
  GradientGeometry found;
  std::vector<double> with_mean;
  for (const auto& row : products) with_mean.push_back(mean(row));
  const double square = mean(with_mean);
  found.mean_norm = std::sqrt(square < 0.0 ? 0.0 : square);  // rounding may go below; NaN stays
  found.cosines = products;
  for (std::size_t i = 0; i < count; ++i) {
    found.norms.push_back(std::sqrt(products[i][i]));
    found.mean_cosines.push_back(cosine(with_mean[i], found.norms[i] * found.mean_norm));
    for (std::size_t j = 0; j < count; ++j) {
      found.cosines[i][j] = cosine(products[i][j], std::sqrt(products[i][i] * products[j][j]));
    }
  }
  return found;
}

}  // namespace harmofl
