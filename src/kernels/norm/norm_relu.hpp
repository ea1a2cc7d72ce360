// SPDX-License-Identifier: Apache-2.0
/// Batch norm, ReLU and 2x2 max-pool in few passes over channels-last memory of the CPU.
///
/// Values are float32 or bfloat16; statistics are as exact as sums in float64 (libtorch's own for
/// channels-last are plain float32 sums, which golden traces notice) and do not depend on the
/// number of threads. Backward keeps only x and four numbers a channel: what is normalised is
/// computed again. There is no second derivative.
#pragma once

#include "kernels/rows.hpp"

#include <torch/types.h>

namespace harmofl {

/// The parameters and statistics of a batch norm of C channels, float32 [C] each.
struct BatchNormState {
  torch::Tensor weight, bias;               ///< Undefined without affine transformation.
  torch::Tensor running_mean, running_var;  ///< Undefined where they are not kept.
  bool of_batch = true;   ///< Normalises by the batch's statistics, and updates the running ones.
  double momentum = 0.1;  ///< Weight of the batch in the running statistics.
  double eps = 1e-5;
};

/// norm(x), and max(norm(x), 0) if `relu`; of the shape, type and memory order of x [B, C, H, W].
/// Where `out` is given (a `channel_slice` of a wider tensor, say), the result is written there and
/// `out` is what is returned.
torch::Tensor batch_norm(const torch::Tensor& x, const BatchNormState& norm, bool relu,
                         const torch::Tensor& out = {});

/// max_pool2d(max(norm(x), 0), 2) of images of 2x2 pixels or more: [B, C, H / 2, W / 2].
torch::Tensor batch_norm_relu_pool(const torch::Tensor& x, const BatchNormState& norm);

/// Both max(norm(x), 0), written to `out` where that is given, and its max_pool2d.
std::pair<torch::Tensor, torch::Tensor> batch_norm_relu_and_pool(const torch::Tensor& x,
                                                                 const BatchNormState& norm,
                                                                 const torch::Tensor& out = {});

/// `whole` [B, C, H, W], whose channels are those of `parts` one after the other, already written
/// there: a concatenation without a copy. Gradients of the parts are slices of that of the whole.
torch::Tensor concatenation_in_place(const torch::Tensor& whole,
                                     const std::vector<torch::Tensor>& parts);

}  // namespace harmofl
