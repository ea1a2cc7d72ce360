// SPDX-License-Identifier: Apache-2.0
/// The small network of tests and scaling studies (method.md, section 4).
#pragma once

#include "harmofl/model/network.hpp"
#include "model/networks/norm.hpp"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <memory>

namespace harmofl {

/// Three times (3x3 convolution, norm, ReLU, max-pool 2) of width, 2 width, 4 width channels, then
/// global average pooling and a linear layer.
class Cnn final : public Network {
 public:
  Cnn(const NetworkOptions& options, const ProblemShape& shape);

  /// Features: the pooled output of the last level, F = 4 width.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return classifier_->options.in_features(); }

 private:
  static constexpr std::size_t levels = 3;

  std::array<torch::nn::Conv2d, levels> convs_;
  std::array<std::shared_ptr<Norm>, levels> norms_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace harmofl
