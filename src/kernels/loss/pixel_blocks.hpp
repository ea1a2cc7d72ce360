// SPDX-License-Identifier: Apache-2.0
/// How logits of pixels lie in host memory, and the blocks in which they are worked on: small
/// enough for the first cache, so that loops may run over pixels, class after class, in either
/// memory format.
#pragma once

#include "base/host_paths.hpp"
#include "base/simd.hpp"

#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace harmofl {

inline constexpr std::int64_t block_pixels = 256;
inline constexpr std::int64_t max_classes = 16;  ///< Most classes that a block is made for.

template <class Value>
using Pixels = Value[block_pixels];
template <class Value>
using PerClass = std::array<Value, static_cast<std::size_t>(max_classes)>;

/// Where a block lies: the first pixel among the targets, the first logit, the steps to the next
/// class and the next pixel.
struct PixelBlock {
  std::int64_t first_pixel, first_logit, classes, class_step, pixel_step, count;
};

/// Images of `pixels` pixels; a batch of labels is one image, a pixel a label.
struct ClassLayout {
  std::int64_t images, pixels, classes, class_step, pixel_step;

  PixelBlock block(std::int64_t image, std::int64_t pixel, std::int64_t end) const {
    const std::int64_t first = image * pixels + pixel;
    return {first,      image * pixels * classes + pixel * pixel_step,
            classes,    class_step,
            pixel_step, std::min(block_pixels, end - pixel)};
  }
};

/// Whether logits [B, classes(, H, W)] and targets [B(, H, W)] are what blocks are made for:
/// float32 in either memory format, int64, dense, in host memory, of few classes.
inline bool has_blocks(const torch::Tensor& logits, const torch::Tensor& targets) {
  if (!host_paths_in_use() || !logits.is_cpu() || !targets.is_cpu()) return false;
  if (!targets.is_contiguous()) return false;
  if (logits.scalar_type() != torch::kFloat32) return false;
  if (targets.scalar_type() != torch::kInt64) return false;
  const bool pixels = logits.dim() == 4 && targets.dim() == 3 &&
                      logits.size(2) == targets.size(1) && logits.size(3) == targets.size(2);
  const bool labels = logits.dim() == 2 && targets.dim() == 1;
  if (!(pixels || labels) || logits.size(0) != targets.size(0)) return false;
  const bool dense =
      logits.is_contiguous() || (pixels && logits.is_contiguous(torch::MemoryFormat::ChannelsLast));
  return dense && logits.numel() > 0 && logits.size(1) <= max_classes;
}

/// The layout of logits that have blocks.
inline ClassLayout layout_of(const torch::Tensor& logits) {
  const std::int64_t classes = logits.size(1);
  if (logits.dim() == 2) return {1, logits.size(0), classes, 1, classes};
  const std::int64_t pixels = logits.size(2) * logits.size(3);
  if (logits.is_contiguous()) return {logits.size(0), pixels, classes, pixels, 1};
  return {logits.size(0), pixels, classes, 1, classes};
}

/// Copies a block out, class after class, with zeros from the block's count up to `padded`.
template <class Value>
HARMOFL_SIMD_INLINE void load(const float* from, const PixelBlock& block, std::int64_t padded,
                              Pixels<Value>* classes) {
  for (std::int64_t k = 0; k < block.classes; ++k) {
    const float* const first = from + block.first_logit + k * block.class_step;
    if (block.pixel_step == 1) {
      for (std::int64_t i = 0; i < block.count; ++i) classes[k][i] = first[i];
    } else {
      for (std::int64_t i = 0; i < block.count; ++i) classes[k][i] = first[i * block.pixel_step];
    }
    for (std::int64_t i = block.count; i < padded; ++i) classes[k][i] = Value{0};
  }
}

/// Copies targets out as int32, with -1 up to `padded`; returns whether all are classes.
HARMOFL_SIMD_INLINE bool load_targets(const std::int64_t* from, const PixelBlock& block,
                                      std::int64_t padded, std::int32_t* targets) {
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < block.count; ++i) {
    const std::int64_t target = from[block.first_pixel + i];
    bad |= target | (block.classes - 1 - target);  // the sign bit
    targets[i] = static_cast<std::int32_t>(target);
  }
  for (std::int64_t i = block.count; i < padded; ++i) targets[i] = -1;
  return bad >= 0;
}

}  // namespace harmofl
