// SPDX-License-Identifier: Apache-2.0
/// The normalisation layer of every network, in the three kinds of `model.norm`.
#pragma once

#include "harmofl/model/network.hpp"
#include "kernels/norm/norm_relu.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <utility>

namespace harmofl {

/// As in PyTorch: statistics <- 0.9 statistics + 0.1 those of the batch.
inline constexpr double default_statistics_momentum = 0.1;

/// A module whose parameters and buffers are those of a normalisation layer.
class NormalizationLayer : public torch::nn::Module {};

/// Normalises [B, C, H, W] by channel; eps 1e-5, momentum of running statistics 0.1.
///
/// Batch norms of channels-last images on the CPU, and the ReLU and max-pool behind them, are the
/// kernels of norm_relu.hpp, which have no second derivative; all else is libtorch's.
///
/// The statistics have PyTorch's names; `num_batches_tracked` is a float32 scalar here, so that it
/// can be averaged with the others.
class Norm final : public NormalizationLayer {
 public:
  Norm(NormKind kind, std::int64_t channels);

  static constexpr double eps = 1e-5;

  torch::Tensor forward(const torch::Tensor& images);

  /// max(norm, 0). Where `out` is given (a `channel_slice` of wider images, say), the result is
  /// written there.
  torch::Tensor forward_relu(const torch::Tensor& images, const torch::Tensor& out = {});
  /// The 2x2 max-pool of max(norm, 0).
  torch::Tensor forward_relu_pool(const torch::Tensor& images);
  /// Both of these: max(norm, 0), in `out` where that is given, and its 2x2 max-pool.
  std::pair<torch::Tensor, torch::Tensor> forward_relu_and_pool(const torch::Tensor& images,
                                                                const torch::Tensor& out = {});

  /// Whether `images` are normalised by the kernels of norm_relu.hpp.
  bool fused(const torch::Tensor& images) const;
  NormKind kind() const { return kind_; }

  /// The momentum of the running statistics from now on.
  void set_momentum(double momentum) { momentum_ = momentum; }

 private:
  /// What the next batch is normalised by; counts it.
  BatchNormState next_state();

  NormKind kind_;
  std::int64_t groups_;
  double momentum_ = default_statistics_momentum;
  torch::Tensor weight_, bias_, running_mean_, running_var_, batches_tracked_;
};

}  // namespace harmofl
