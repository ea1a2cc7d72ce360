// SPDX-License-Identifier: Apache-2.0
/// A dense block of DenseNet with stateless batch norms, in channels-last memory of the CPU.
///
/// A norm without parameters does the same to a channel whichever layer reads it. So every feature
/// map goes through norm and ReLU once, into its place in one wide buffer; the layers' 1x1
/// convolutions read the first channels of it, and nothing is concatenated. Backward, the gradients
/// of all readers add up in one buffer like it, and each map's norm is differentiated once.
#pragma once

#include <torch/types.h>

#include <vector>

namespace harmofl {

/// The convolutions of one dense layer, on C channels.
struct DenseLayerWeights {
  torch::Tensor conv1;  ///< [K, C, 1, 1]
  torch::Tensor conv2;  ///< [G, K, 3, 3]
};

/// What a dense block hands on.
enum class DenseOutput {
  features,    ///< Its input and all layers' feature maps.
  normalised,  ///< The same after norm and ReLU.
};

/// The features [B, C + layers G, H, W] of a block on images [B, C, H, W] that `fits_row_kernels`:
/// each layer is norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution of all channels before
/// it. Computes in bfloat16 under autocast to it (statistics stay float32). There is no second
/// derivative.
torch::Tensor dense_block(const torch::Tensor& images, const std::vector<DenseLayerWeights>& layers,
                          double eps, DenseOutput output);

}  // namespace harmofl
