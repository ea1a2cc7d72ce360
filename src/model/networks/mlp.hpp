// SPDX-License-Identifier: Apache-2.0
/// A multilayer perceptron, for tables.
#pragma once

#include "harmofl/model/network.hpp"

#include <torch/nn/modules/linear.h>

#include <array>

namespace harmofl {

/// Two times (linear layer to `width` values, ReLU) over all values of an image, in the order
/// [C, H, W], then a linear layer: of width 200 the 2NN of McMahan et al. (AISTATS 2017). It has no
/// normalisation layers.
class Mlp final : public Network {
 public:
  /// Throws UserError for masks.
  Mlp(const NetworkOptions& options, const ProblemShape& shape);

  /// Features: the values of the second hidden layer, F = width.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return classifier_->options.in_features(); }

 private:
  std::array<torch::nn::Linear, 2> hidden_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace harmofl
