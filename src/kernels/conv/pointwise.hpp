// SPDX-License-Identifier: Apache-2.0
/// 1x1 convolutions without bias of channels-last images, in all directions, where the images lie:
/// float32 by the project's own products, bfloat16 by libtorch's on two-dimensional views.
#pragma once

#include <torch/types.h>

namespace harmofl::kernels {

/// out = images * weight: images [B, C, H, W], weight [K, C, 1, 1], out [B, K, H, W]; images and
/// out may be channel slices of wider tensors.
void convolve_pointwise(const torch::Tensor& images, const torch::Tensor& weight,
                        const torch::Tensor& out);

/// Adds the gradient of the images, from `gradient` of the result, to `sum`.
void add_pointwise_gradient(const torch::Tensor& gradient, const torch::Tensor& weight,
                            const torch::Tensor& sum);

/// The gradient of the weight [K, C, 1, 1].
torch::Tensor pointwise_weight_gradient(const torch::Tensor& gradient, const torch::Tensor& images);

}  // namespace harmofl::kernels
