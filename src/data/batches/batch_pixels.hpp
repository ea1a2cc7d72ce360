// SPDX-License-Identifier: Apache-2.0
/// Cuts images and targets of a batch out of samples in host memory: rows chosen, pixels turned,
/// converted and laid out in one pass, without a tensor in between.
#pragma once

#include "data/batches/augmentation.hpp"

#include <torch/types.h>

#include <cstdint>
#include <span>

namespace harmofl {

/// Which samples make a batch, and how each of them is turned (not at all where `turns` is empty).
struct BatchRows {
  std::span<const std::int64_t> rows;
  std::span<const Symmetry> turns = {};
};

/// Whether `cut_images` and `cut_targets` know such samples: dense in host memory, images uint8 or
/// float32 [N, C, H, W], targets int64 [N] or uint8 [N, H, W].
bool can_be_cut(const torch::Tensor& images, const torch::Tensor& targets);

/// Writes the chosen images, each value divided by `scale` in float32, to `out` [B, C, H, W],
/// float32 in either memory format.
void cut_images(const torch::Tensor& images, const BatchRows& rows, double scale,
                torch::Tensor& out);

/// Writes the chosen labels or masks to `out`, int64 [B] or [B, H, W], dense. Masks are turned.
void cut_targets(const torch::Tensor& targets, const BatchRows& rows, torch::Tensor& out);

}  // namespace harmofl
