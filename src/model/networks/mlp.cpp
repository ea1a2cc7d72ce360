// SPDX-License-Identifier: Apache-2.0
#include "model/networks/mlp.hpp"

#include <string>

namespace harmofl {

Mlp::Mlp(const NetworkOptions& options, const ProblemShape& shape) : hidden_{nullptr, nullptr} {
  require_labels("mlp", shape, 1);
  std::int64_t in = shape.channels * shape.height * shape.width;
  for (std::size_t layer = 0; layer < hidden_.size(); ++layer) {
    hidden_[layer] =
        register_module("hidden" + std::to_string(layer + 1), torch::nn::Linear(in, options.width));
    in = options.width;
  }
  classifier_ = register_module("classifier", torch::nn::Linear(in, shape.classes));
}

torch::Tensor Mlp::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor x = images.flatten(1);
  for (torch::nn::Linear& layer : hidden_) x = layer(x).relu();
  if (features != nullptr) *features = x;
  return classifier_(x);
}

}  // namespace harmofl
