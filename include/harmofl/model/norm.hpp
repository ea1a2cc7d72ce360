/// The normalisation layer of every network, in the three kinds of `model.norm`.
#pragma once

#include "harmofl/model/network.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

namespace harmofl {

/// As in PyTorch: statistics <- 0.9 statistics + 0.1 those of the batch.
inline constexpr double default_statistics_momentum = 0.1;

/// Normalises [B, C, H, W] by channel; eps 1e-5, momentum of running statistics 0.1.
///
/// The statistics have PyTorch's names; `num_batches_tracked` is a float32 scalar here, so that it
/// can be averaged with the others.
class Norm final : public torch::nn::Module {
 public:
  Norm(NormKind kind, std::int64_t channels);

  torch::Tensor forward(const torch::Tensor& images);

  /// The momentum of the running statistics from now on.
  void set_momentum(double momentum) { momentum_ = momentum; }

 private:
  NormKind kind_;
  std::int64_t groups_;
  double momentum_ = default_statistics_momentum;
  torch::Tensor weight_, bias_, running_mean_, running_var_, batches_tracked_;
};

}  // namespace harmofl
