// SPDX-License-Identifier: Apache-2.0
/// Losses (method.md, section 4).
#pragma once

#include "harmofl/io/shard.hpp"
#include "kernels/choice.hpp"

#include <torch/types.h>

#include <string>

namespace harmofl {

enum class LossKind {
  cross_entropy,
  cross_entropy_dice,  ///< (CE + soft Dice) / 2.
};

/// The s of the soft Dice loss.
inline constexpr double dice_smooth = 1e-5;

/// Mean cross entropy of logits [B, classes(, H, W)] against int64 targets [B(, H, W)].
torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets);

/// 1 - mean over classes of (2 sum p y + s) / (sum p + sum y + s), p = softmax(logits), sums over
/// the whole batch, s = dice_smooth. Logits [B, classes, H, W], int64 targets [B, H, W].
torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& targets);

/// The loss `kind`, a scalar: by the functions above or, with own kernels in host memory, by that
/// of fused_loss.hpp.
torch::Tensor loss(LossKind kind, const torch::Tensor& logits, const torch::Tensor& targets,
                   Kernels kernels = Kernels::own);

}  // namespace harmofl
