// SPDX-License-Identifier: Apache-2.0
/// Augmentation of training images: the eight symmetries of the square (method.md, section 5).
#pragma once

#include "harmofl/base/rng.hpp"

#include <torch/types.h>

#include <cstdint>

namespace harmofl {

/// A symmetry of the square: a transposition (or none), then flips.
struct Symmetry {
  bool transpose = false;
  bool flip_rows = false;     ///< The first row becomes the last.
  bool flip_columns = false;  ///< The first column becomes the last.

  bool is_identity() const { return number() == 0; }
  /// 0 to 7, and the symmetry of such a number.
  std::int64_t number() const { return transpose + 2 * flip_rows + 4 * flip_columns; }
  static Symmetry of(std::int64_t number) {
    return {(number & 1) != 0, (number & 2) != 0, (number & 4) != 0};
  }
};

/// Draws how the next image of height x width pixels is turned, as `augment` does.
Symmetry draw_symmetry(std::int64_t height, std::int64_t width, RngStream& rng);

/// Rotates every image by a random multiple of 90 degrees and, with probability 0.75, flips it
/// about one axis or both; masks move with their images. Images that are not square are rotated by
/// 0 or 180 degrees only, so that shapes stay.
///
/// `images` is [B, C, H, W], any dtype; `masks` is [B, H, W] or undefined. In place.
///
/// Without `sources` image after image is turned, which suits the CPU. With `pixel_sources` of the
/// same size and device all are turned at once, by one gather of images and one of masks and
/// without waiting for the device: for GPUs. Both draw the same and give the same bits.
void augment(torch::Tensor& images, torch::Tensor& masks, RngStream& rng,
             const torch::Tensor& sources = {});

/// Where each pixel of a turned image comes from: int64 [8, height * width], a row a symmetry. Rows
/// that turn an image that is not square by 90 degrees are of no use.
torch::Tensor pixel_sources(std::int64_t height, std::int64_t width, torch::Device device);

}  // namespace harmofl
