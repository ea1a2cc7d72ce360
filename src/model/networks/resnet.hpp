// SPDX-License-Identifier: Apache-2.0
/// ResNet-18 (He et al., "Deep residual learning for image recognition", CVPR 2016), with group
/// norm by default: the yardstick of federated classification (Hsieh et al., ICML 2020).
#pragma once

#include "harmofl/model/network.hpp"
#include "model/networks/norm.hpp"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace harmofl {

/// 7x7 convolution of stride 2 and max-pool; four stages of two basic blocks with width, 2, 4 and 8
/// times the width channels; global average; linear. Module names are torchvision's; convolutions
/// start Kaiming-normal (fan out).
class ResNet18 final : public Network {
 public:
  ResNet18(const NetworkOptions& options, const ProblemShape& shape);

  /// Features: the pooled output of the last stage, F = 8 width.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return classifier_->options.in_features(); }

 private:
  /// relu(x' + norm(conv(relu(norm(conv(x)))))), x' = x or a strided 1x1 convolution of it.
  struct Block : torch::nn::Module {
    Block(std::int64_t in, std::int64_t out, std::int64_t stride, NormKind kind);
    torch::Tensor forward(const torch::Tensor& x);

    torch::nn::Conv2d conv1, conv2;
    torch::nn::Conv2d shortcut{nullptr};  ///< Empty where the shapes agree.
    std::shared_ptr<Norm> norm1, norm2, shortcut_norm;
  };

  torch::nn::Conv2d stem_{nullptr};
  std::shared_ptr<Norm> stem_norm_;
  std::vector<std::shared_ptr<Block>> blocks_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace harmofl
