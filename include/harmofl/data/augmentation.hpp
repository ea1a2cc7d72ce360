/// Augmentation of training images: the eight symmetries of the square (method.md, section 5).
#pragma once

#include "harmofl/base/rng.hpp"

#include <torch/types.h>

namespace harmofl {

/// Rotates every image by a random multiple of 90 degrees and, with probability 0.75, flips it
/// about one axis or both; masks move with their images. Images that are not square are rotated by
/// 0 or 180 degrees only, so that shapes stay.
///
/// `images` is [B, C, H, W], any dtype; `masks` is [B, H, W] or undefined. In place.
void augment(torch::Tensor& images, torch::Tensor& masks, RngStream& rng);

}  // namespace harmofl
