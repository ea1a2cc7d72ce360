// SPDX-License-Identifier: Apache-2.0
#include "model/measures/losses.hpp"

#include "model/measures/fused_loss.hpp"

namespace harmofl {

torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets) {
  return at::cross_entropy_loss(logits, targets);
}

torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& targets) {
  const std::int64_t classes = logits.size(1);
  const torch::Tensor p = logits.softmax(1);
  const torch::Tensor y = at::one_hot(targets, classes).movedim(-1, 1).to(p.scalar_type());
  const torch::Tensor both = (p * y).sum({0, 2, 3});
  const torch::Tensor sizes = p.sum({0, 2, 3}) + y.sum({0, 2, 3});
  return 1.0 - ((2.0 * both + dice_smooth) / (sizes + dice_smooth)).mean();
}

torch::Tensor loss(LossKind kind, const torch::Tensor& logits, const torch::Tensor& targets,
                   Kernels kernels) {
  if (kernels == Kernels::own && can_fuse_loss(logits, targets)) {
    return fused_loss(logits, targets, kind == LossKind::cross_entropy_dice);
  }
  const torch::Tensor ce = cross_entropy(logits, targets);
  if (kind == LossKind::cross_entropy) return ce;
  return (ce + dice_loss(logits, targets)) / 2.0;
}

}  // namespace harmofl
