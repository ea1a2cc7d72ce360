// SPDX-License-Identifier: Apache-2.0
// Pixels are worked on in blocks that fit the first cache, class after class, so that the inner
// loops run over pixels whatever the memory format. With z the logits, p = softmax(z), N pixels, K
// classes, and per class a = sum p y, b = sum p + sum y over the whole batch:
//   CE = -1/N sum log p_target,     Dice = 1 - 1/K sum_k (2 a_k + s) / (b_k + s)
//   dCE/dz_k   = (p_k - y_k) / N
//   dDice/dz_k = p_k (g_k - sum_j p_j g_j),  g_k = -1/K (2 y_k - D_k) / (b_k + s),  D_k the k-th
//   term
#include "model/measures/fused_loss.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/loss/fused_loss_blocks.hpp"
#include "model/measures/losses.hpp"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace harmofl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t piece_pixels = 16 * block_pixels;  ///< Whose sums are one, always.

std::int64_t pieces_an_image(const ClassLayout& layout) {
  return (layout.pixels + piece_pixels - 1) / piece_pixels;
}

/// Calls `work(piece, block)` for every block of every piece.
template <class Work>
void for_each_block(const ClassLayout& layout, const Work& work) {
  const std::int64_t pieces = pieces_an_image(layout);
  at::parallel_for(0, layout.images * pieces, /*grain_size=*/1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t piece = begin; piece < end; ++piece) {
                       const std::int64_t first = piece % pieces * piece_pixels;
                       const std::int64_t last = std::min(first + piece_pixels, layout.pixels);
                       for (std::int64_t at = first; at < last; at += block_pixels) {
                         work(piece, layout.block(piece / pieces, at, last));
                       }
                     }
                   });
}

LossSums sums_of(const torch::Tensor& logits, const torch::Tensor& targets,
                 const ClassLayout& layout, float* probabilities) {
  const auto* const z = logits.const_data_ptr<float>();
  const auto* const y = targets.const_data_ptr<std::int64_t>();
  std::vector<LossSums> pieces(static_cast<std::size_t>(layout.images * pieces_an_image(layout)));
  for_each_block(layout, [&](std::int64_t piece, const PixelBlock& block) {
    add_loss_block(z, y, block, pieces[static_cast<std::size_t>(piece)], probabilities);
  });
  LossSums sums;
  for (const LossSums& piece : pieces) sums += piece;
  HARMOFL_VALIDATE(!sums.bad_target, "a target is not a class: the model has ", layout.classes,
                   ", and targets count from 0. Prepare the shards with the classes of the run.");
  return sums;
}

/// The loss of these sums, and what its gradient needs of them.
double value_of(const LossSums& sums, const ClassLayout& layout, bool with_dice,
                LossSlopes& slopes) {
  const double cross_entropy =
      sums.cross_entropy / static_cast<double>(layout.images * layout.pixels);
  slopes.cross_entropy = 1.0 / static_cast<double>(layout.images * layout.pixels);
  if (!with_dice) return cross_entropy;
  const auto classes = static_cast<double>(layout.classes);
  double dice = 0.0;
  for (std::size_t k = 0; k < static_cast<std::size_t>(layout.classes); ++k) {
    const double size = sums.probability[k] + static_cast<double>(sums.targets[k]) + dice_smooth;
    const double term = (2.0 * sums.overlap[k] + dice_smooth) / size;
    dice += term / classes;
    slopes.outside[k] = term / size / classes / 2.0;
    slopes.inside[k] = (term - 2.0) / size / classes / 2.0;
  }
  slopes.cross_entropy /= 2.0;
  return (cross_entropy + 1.0 - dice) / 2.0;
}

class FusedLoss : public torch::autograd::Function<FusedLoss> {
 public:
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& logits,
                               const torch::Tensor& targets, bool with_dice, bool with_gradient) {
    const ClassLayout layout = layout_of(logits);
    torch::Tensor probabilities = with_gradient ? torch::empty_like(logits) : torch::Tensor();
    float* const p = with_gradient ? probabilities.mutable_data_ptr<float>() : nullptr;
    LossSlopes slopes;
    const double value = value_of(sums_of(logits, targets, layout, p), layout, with_dice, slopes);
    if (with_gradient) {
      torch::Tensor kept = torch::empty({std::int64_t{sizeof(LossSlopes)}}, torch::kUInt8);
      std::memcpy(kept.mutable_data_ptr(), &slopes, sizeof(slopes));
      context->save_for_backward({probabilities, targets, kept});
    }
    torch::Tensor loss = torch::empty({}, torch::kFloat32);
    *loss.mutable_data_ptr<float>() = static_cast<float>(value);
    return loss;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const torch::Tensor& probabilities = saved[0];
    const ClassLayout layout = layout_of(probabilities);
    LossSlopes slopes;
    std::memcpy(&slopes, saved[2].const_data_ptr(), sizeof(slopes));
    slopes *= gradients[0].item<double>();
    torch::Tensor result = torch::empty_like(probabilities);
    const auto* const p = probabilities.const_data_ptr<float>();
    const auto* const y = saved[1].const_data_ptr<std::int64_t>();
    auto* const to = result.mutable_data_ptr<float>();
    for_each_block(layout, [&](std::int64_t, const PixelBlock& block) {
      write_gradient_block(p, y, block, slopes, to);
    });
    return {result, {}, {}, {}};
  }
};

}  // namespace

bool can_fuse_loss(const torch::Tensor& logits, const torch::Tensor& targets) {
  return has_blocks(logits, targets);
}

torch::Tensor fused_loss(const torch::Tensor& logits, const torch::Tensor& targets,
                         bool with_dice) {
  const bool with_gradient = torch::GradMode::is_enabled() && logits.requires_grad();
  return FusedLoss::apply(logits, targets, with_dice, with_gradient);
}

}  // namespace harmofl
