// SPDX-License-Identifier: Apache-2.0
/// Losses (method.md, section 4; docs/guides/running.md, Losses).
#pragma once

#include "harmofl/io/shard.hpp"
#include "kernels/choice.hpp"

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

enum class LossKind {
  cross_entropy,
  cross_entropy_dice,  ///< (CE + soft Dice) / 2.
  focal,               ///< Lin et al., "Focal loss for dense object detection", ICCV 2017.
  bce,                 ///< Binary cross entropy; of more than two classes of each against the rest.
};

/// Which loss, and how it weighs what it adds up.
struct LossOptions {
  LossOptions(LossKind which = LossKind::cross_entropy_dice) : kind(which) {}

  /// The same without weights: what val and test images are measured with.
  LossOptions unweighted() const {
    LossOptions plain = *this;
    plain.class_weights.clear();
    return plain;
  }

  LossKind kind;
  double focal_gamma = 2.0;
  std::vector<double> class_weights = {};  ///< One a class, above 0; empty where all count alike.
  bool weigh_by_frequency = false;         ///< The weights are still to come, of the images.
};

/// Throws UserError unless there are weights for `classes` classes, or none.
void check_class_weights(const LossOptions& options, std::int64_t classes);

/// Weights N / (K n_k) of K classes with n_k of N images (or pixels): those of a class count
/// together as much as those of any other. Throws UserError for a class that has none.
std::vector<double> weights_by_frequency(const std::vector<std::int64_t>& counts);

/// The s of the soft Dice loss.
inline constexpr double dice_smooth = 1e-5;

/// Cross entropy of logits [B, classes(, H, W)] against int64 targets [B(, H, W)]: its mean, or
/// with weights sum w_y CE / sum w_y.
torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets,
                            const std::vector<double>& class_weights = {});

/// -(1 - p_y)^gamma log p_y, p = softmax(logits), averaged as `cross_entropy`, which it is for a
/// gamma of 0.
torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& targets, double gamma,
                         const std::vector<double>& class_weights = {});

/// Mean over images (or pixels) and classes of w_k BCE(sigmoid(z_k), [y = k]), for logits z. Of two
/// classes the logits are [0, z]: then it is the cross entropy of these, BCE(sigmoid(z), y).
torch::Tensor bce_loss(const torch::Tensor& logits, const torch::Tensor& targets,
                       const std::vector<double>& class_weights = {});

/// 1 - mean over classes of (2 sum p y + s) / (sum p + sum y + s), p = softmax(logits), sums over
/// the whole batch, s = dice_smooth. Logits [B, classes, H, W], int64 targets [B, H, W].
torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& targets);

/// The loss that `options` name, a scalar: by the functions above or, with own kernels in host
/// memory and without weights, by that of fused_loss.hpp. Weights are those of the cross entropy in
/// cross_entropy_dice.
torch::Tensor loss(const LossOptions& options, const torch::Tensor& logits,
                   const torch::Tensor& targets, Kernels kernels = Kernels::own);

}  // namespace harmofl
