// SPDX-License-Identifier: Apache-2.0
/// Channels-last images as rows of channels.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <optional>

namespace harmofl {

/// One row of `channels` neighbouring values a pixel, `stride` elements apart (more than `channels`
/// in a slice of the channels of a wider tensor).
template <class T>
struct Rows {
  T* data;
  std::int64_t count;  ///< Pixels of all images.
  std::int64_t channels;
  std::int64_t stride;

  T* row(std::int64_t r) const { return data + r * stride; }
};

/// Elements from one pixel of images [B, C, H, W] to the next, where all pixels are that far apart
/// in the order of (B, H, W) and the channels of one are neighbours; else nothing.
std::optional<std::int64_t> row_stride(const torch::Tensor& images);

/// The rows of images that have a `row_stride`.
template <class T>
Rows<T> rows_of(const torch::Tensor& images) {
  return {images.data_ptr<std::remove_const_t<T>>(),
          images.size(0) * images.size(2) * images.size(3), images.size(1), *row_stride(images)};
}

/// Whether the kernels for rows take `images`: on the CPU, float32 or bfloat16, with a
/// `row_stride`, and where own kernels are in use (choice.hpp).
bool fits_row_kernels(const torch::Tensor& images);

/// Images with a `row_stride` as a matrix [pixels, channels] that shares their memory.
torch::Tensor as_matrix(const torch::Tensor& images);

/// `images` as they are if they have a `row_stride`, else a channels-last copy.
torch::Tensor with_rows(const torch::Tensor& images);

/// Channels [first, first + count) of `images` without autograd's book-keeping of views, so that a
/// function of its own may write there and return it.
torch::Tensor channel_slice(const torch::Tensor& images, std::int64_t first, std::int64_t count);

}  // namespace harmofl
