// SPDX-License-Identifier: Apache-2.0
/// 3x3 convolutions of stride 1 and padding 1, the bulk of what the networks compute.
///
/// On the CPU, channels-last float32 images go through Winograd's F(2x2, 3x3) (Lavin, Gray, "Fast
/// algorithms for convolutional neural networks", CVPR 2016), in all three directions: 2.25 times
/// fewer multiplications than the sum that defines the convolution (what that does to rounding:
/// docs/adr/0015-kernels-of-our-own.md). Everything else goes through libtorch.
#pragma once

#include <torch/types.h>

namespace harmofl {

/// Convolves images [B, C, H, W] with `weight` [K, C, 3, 3] to [B, K, H, W], padding 1, without
/// bias. Differentiable once with respect to both.
///
/// The results of the fast path depend neither on the number of threads nor on the other images of
/// a batch.
torch::Tensor conv3x3(const torch::Tensor& images, const torch::Tensor& weight);

/// Whether `conv3x3` has a fast path for such tensors on this processor, and takes it (choice.hpp).
bool has_fast_conv3x3(const torch::Tensor& images, const torch::Tensor& weight);

/// The parts, for functions that have a backward pass of their own. Same shapes; `images` and
/// `gradient` may be ranges of the channels of wider channels-last tensors.
torch::Tensor conv3x3_forward(const torch::Tensor& images, const torch::Tensor& weight);
/// The gradient with respect to the images, from that of the output.
torch::Tensor conv3x3_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight);
/// The gradient with respect to the weight.
torch::Tensor conv3x3_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images,
                                      const torch::Tensor& weight);

}  // namespace harmofl
