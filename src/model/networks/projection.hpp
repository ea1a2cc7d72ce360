// SPDX-License-Identifier: Apache-2.0
/// The projection head of contrastive methods (method.md, section 6: MOON).
#pragma once

#include <torch/nn/module.h>
#include <torch/nn/modules/linear.h>
#include <torch/types.h>

#include <cstdint>

namespace harmofl {

/// Linear F-F, ReLU, linear F-256; PyTorch's names and initialisation of a Sequential of the three.
class Projection final : public torch::nn::Module {
 public:
  explicit Projection(std::int64_t features);

  /// Maps features [B, F] to [B, 256].
  torch::Tensor forward(const torch::Tensor& features);

 private:
  torch::nn::Linear first_{nullptr}, second_{nullptr};
};

}  // namespace harmofl
