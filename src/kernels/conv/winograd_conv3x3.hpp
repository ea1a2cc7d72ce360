// SPDX-License-Identifier: Apache-2.0
/// 3x3 convolutions of stride 1 and padding 1 by Winograd's F(2x2, 3x3) in all three directions,
/// for any size that the inner loops take; conv3x3.hpp says for which of them that pays.
#pragma once

#include <torch/types.h>

namespace harmofl {

/// Whether the functions below take such images (or their gradient) and weight on this processor:
/// channels in multiples of 16, float32 or bfloat16 images with a `row_stride`, a float32 weight.
bool fits_winograd(const torch::Tensor& images, const torch::Tensor& weight);

/// The convolution [B, K, H, W] of images [B, C, H, W] with `weight` [K, C, 3, 3].
torch::Tensor winograd_forward(const torch::Tensor& images, const torch::Tensor& weight);
/// The gradient with respect to the images, from that of the output.
torch::Tensor winograd_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight);
/// The gradient with respect to the weight, float32.
torch::Tensor winograd_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images);

}  // namespace harmofl
