/// The normalisation layer of every network, in the three kinds of `model.norm`.
#pragma once

#include "harmofl/model/network.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

namespace harmofl {

/// Normalises [B, C, H, W] by channel; eps 1e-5, momentum of running statistics 0.1.
///
/// The statistics' names are PyTorch's (`running_mean`, `running_var`); `num_batches_tracked` is
/// not kept, since a fixed momentum never reads it.
class Norm final : public torch::nn::Module {
 public:
  Norm(NormKind kind, std::int64_t channels);

  torch::Tensor forward(const torch::Tensor& images);

 private:
  NormKind kind_;
  std::int64_t groups_;
  torch::Tensor weight_, bias_, running_mean_, running_var_;
};

}  // namespace harmofl
