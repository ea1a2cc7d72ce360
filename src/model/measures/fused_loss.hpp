// SPDX-License-Identifier: Apache-2.0
/// The losses of losses.hpp for logits in host memory: value and gradient in one pass each, without
/// a tensor in between but the probabilities.
#pragma once

#include <torch/types.h>

namespace harmofl {

/// Whether `fused_loss` knows such a batch: float32 logits [B, classes] or [B, classes, H, W] in
/// host memory, in either memory format, of at most 16 classes, and int64 targets that fit them.
bool can_fuse_loss(const torch::Tensor& logits, const torch::Tensor& targets);

/// Mean cross entropy or, `with_dice`, its mean with the soft Dice loss; a float32 scalar with a
/// gradient for the logits. Sums are added up in float64 and in an order that does not depend on
/// the number of threads. Throws UserError for a target that is not a class.
torch::Tensor fused_loss(const torch::Tensor& logits, const torch::Tensor& targets, bool with_dice);

}  // namespace harmofl
