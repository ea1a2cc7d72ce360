// SPDX-License-Identifier: Apache-2.0
#include "model/networks/linear.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {

Linear::Linear(const NetworkOptions& options, const ProblemShape& shape) {
  require_labels("linear", shape, 1);
  HARMOFL_VALIDATE(options.width == 1, "model.name = linear has no hidden layer, so that no ",
                   "model.width but 1 says anything. Leave it out, or set model.name = mlp.");
  linear_ = register_module(
      "linear", torch::nn::Linear(shape.channels * shape.height * shape.width, shape.classes));
}

torch::Tensor Linear::forward(const torch::Tensor& images, torch::Tensor* features) {
  const torch::Tensor x = images.flatten(1);
  if (features != nullptr) *features = x;
  return linear_(x);
}

}  // namespace harmofl
