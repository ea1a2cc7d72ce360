// SPDX-License-Identifier: Apache-2.0
/// Transposed 2x2 convolutions of stride 2, the U-Net's way up, in channels-last memory of the CPU.
///
/// No two of their input pixels reach the same output pixel, so they are one product of the matrix
/// of pixels with that of the weight, whose rows are then laid out as 2x2 pixels.
#pragma once

#include <torch/types.h>

namespace harmofl {

/// The transposed convolution [B, K, 2H, 2W] of images [B, C, H, W] that `fits_row_kernels` with
/// `weight` [C, K, 2, 2] and `bias` [K], written to `out` (a `channel_slice` of wider images, say),
/// which is returned. Computes in the type of the images. There is no second derivative.
torch::Tensor upconv2x2(const torch::Tensor& images, const torch::Tensor& weight,
                        const torch::Tensor& bias, const torch::Tensor& out);

}  // namespace harmofl
