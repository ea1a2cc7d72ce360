// SPDX-License-Identifier: Apache-2.0
/// Predictions of resampled images in the size of the images.
#pragma once

#include "prepare/pixels/size.hpp"

#include <torch/types.h>

namespace harmofl {

/// What is said of each pixel, [..., H, W], of an image of `size` that was resampled to HxW: a
/// pixel gets what is said of the one in which its centre lies, on the border of two of the second:
/// row y gets row floor((y + 1/2) H / height), computed in whole numbers.
torch::Tensor enlarged(const torch::Tensor& said, prepare::Size size);

}  // namespace harmofl
