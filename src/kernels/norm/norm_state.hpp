// SPDX-License-Identifier: Apache-2.0
/// A batch norm between its passes: tensors in, channel kernels inside.
#pragma once

#include "kernels/norm/channel_norm.hpp"

#include <torch/types.h>

namespace harmofl::kernels {

/// Calls `work` with a null pointer to the type of `images`' values, float or BFloat16.
template <class Work>
auto with_type_of(const torch::Tensor& images, const Work& work) {
  return images.scalar_type() == torch::kBFloat16 ? work(static_cast<c10::BFloat16*>(nullptr))
                                                  : work(static_cast<float*>(nullptr));
}

/// What normalises [B, C, H, W] by channel and gives the gradient back.
struct NormState {
  torch::Tensor values;  ///< float32 [4, C]: mean, scale, shift, 1 / standard deviation.
  bool of_batch = true;  ///< The statistics are those of the batch, so they have gradients.

  ChannelScaling scaling() const;
};

/// The state for statistics `moments` (means, then biased variances); `weight` and `bias` float32
/// [C], or undefined.
NormState make_state(const ChannelSums& moments, const torch::Tensor& weight,
                     const torch::Tensor& bias, double eps, bool of_batch);

ChannelSums moments_of(const torch::Tensor& x);

/// y = norm(x), with ReLU if so.
void normalise(const torch::Tensor& x, const NormState& state, bool relu, const torch::Tensor& y);

/// From the sums of a gradient, that of a bias and (second) of a weight.
void to_affine_gradients(ChannelSums& sums, const NormState& state);

/// The coefficients of the gradient of x over `count` pixels, float32 [3, C].
torch::Tensor gradient_coefficients(const ChannelSums& sums, const NormState& state,
                                    std::int64_t count);
ChannelGradient as_gradient(const torch::Tensor& coefficients);

/// Writes the gradient of x for `g`, that of y, into `out`, which may be `g`; returns the sums.
ChannelSums normalise_backward(const torch::Tensor& g, const torch::Tensor& x,
                               const NormState& state, bool relu, const torch::Tensor& out);

}  // namespace harmofl::kernels
