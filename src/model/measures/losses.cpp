// SPDX-License-Identifier: Apache-2.0
#include "model/measures/losses.hpp"

#include "base/host_paths.hpp"
#include "harmofl/base/error.hpp"
#include "model/measures/fused_loss.hpp"

#include <ATen/Context.h>

#include <numeric>

namespace harmofl {
namespace {

/// The least of 1 - p that a power is taken of: below it a root has no finite slope. Smaller than
/// the distance of 1 from the next float32.
constexpr double least_error = 1e-8;

/// The weights as a tensor like `values`; undefined where there are none.
torch::Tensor weight_tensor(const std::vector<double>& weights, const torch::Tensor& values) {
  if (weights.empty()) return {};
  return torch::tensor(weights, values.options().requires_grad(false));
}

/// 1 where the target is the class, else 0: [B, classes(, H, W)] like `logits`. By comparing, which
/// waits for no device and adds nothing up, backwards either.
torch::Tensor compared_planes(const torch::Tensor& logits, const torch::Tensor& targets) {
  std::vector<std::int64_t> shape(static_cast<std::size_t>(logits.dim()), 1);
  shape[1] = logits.size(1);
  const torch::Tensor numbers = at::arange(logits.size(1), targets.options()).view(shape);
  return targets.unsqueeze(1).eq(numbers).to(logits.scalar_type());
}

/// The same; in host memory by libtorch's one_hot, which looks at all targets.
torch::Tensor class_planes(const torch::Tensor& logits, const torch::Tensor& targets) {
  if (!targets.is_cpu() || !host_paths_in_use()) return compared_planes(logits, targets);
  return at::one_hot(targets, logits.size(1)).movedim(-1, 1).to(logits.scalar_type());
}

/// The cross entropy where libtorch's own, whose sums over the pixels of a mask have no fixed order
/// on a GPU, is refused.
torch::Tensor cross_entropy_in_order(const torch::Tensor& logits, const torch::Tensor& targets,
                                     const torch::Tensor& weights) {
  const torch::Tensor y = compared_planes(logits, targets);
  const torch::Tensor each = -(y * logits.log_softmax(1)).sum(1);
  if (!weights.defined()) return each.mean();
  const torch::Tensor w = (y * weights.view({1, -1, 1, 1})).sum(1);
  return (w * each).sum() / w.sum();
}

/// Whether the loss is one that the fused function knows.
bool is_fused(const LossOptions& options, const torch::Tensor& logits) {
  if (!options.class_weights.empty() || options.kind == LossKind::focal) return false;
  return options.kind != LossKind::bce || logits.size(1) == 2;
}

}  // namespace

void check_class_weights(const LossOptions& options, std::int64_t classes) {
  const auto given = std::ssize(options.class_weights);
  HARMOFL_VALIDATE(given == 0 || given == classes, "train.class_weights holds ", given,
                   " numbers, but the shards have ", classes, " classes. Give one a class, or ",
                   "frequency.");
}

std::vector<double> weights_by_frequency(const std::vector<std::int64_t>& counts) {
  const double classes = static_cast<double>(counts.size());
  const auto all =
      static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  std::vector<double> weights;
  for (std::size_t k = 0; k < counts.size(); ++k) {
    HARMOFL_VALIDATE(counts[k] > 0, "train.class_weights = frequency, but no training image has ",
                     "class ", k, ", which so would have no finite weight. Give a number a class.");
    weights.push_back(all / (classes * static_cast<double>(counts[k])));
  }
  return weights;
}

torch::Tensor cross_entropy(const torch::Tensor& logits, const torch::Tensor& targets,
                            const std::vector<double>& class_weights) {
  const torch::Tensor weights = weight_tensor(class_weights, logits);
  if (logits.dim() == 4 && at::globalContext().deterministicAlgorithms()) {
    return cross_entropy_in_order(logits, targets, weights);
  }
  return at::cross_entropy_loss(logits, targets, weights);
}

torch::Tensor focal_loss(const torch::Tensor& logits, const torch::Tensor& targets, double gamma,
                         const std::vector<double>& class_weights) {
  const torch::Tensor log_p = logits.log_softmax(1).gather(1, targets.unsqueeze(1)).squeeze(1);
  const torch::Tensor error = (1.0 - log_p.exp()).clamp_min(least_error);
  const torch::Tensor each = -error.pow(gamma) * log_p;
  if (class_weights.empty()) return each.mean();
  const torch::Tensor w = weight_tensor(class_weights, logits).index({targets});
  return (w * each).sum() / w.sum();
}

torch::Tensor bce_loss(const torch::Tensor& logits, const torch::Tensor& targets,
                       const std::vector<double>& class_weights) {
  if (logits.size(1) == 2) return cross_entropy(logits, targets, class_weights);
  const torch::Tensor y = class_planes(logits, targets);
  torch::Tensor w = weight_tensor(class_weights, logits);
  if (w.defined()) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(logits.dim()), 1);
    shape[1] = -1;
    w = w.view(shape);
  }
  return at::binary_cross_entropy_with_logits(logits, y, w);
}

torch::Tensor dice_loss(const torch::Tensor& logits, const torch::Tensor& targets) {
  const torch::Tensor p = logits.softmax(1);
  const torch::Tensor y = class_planes(p, targets);
  const torch::Tensor both = (p * y).sum({0, 2, 3});
  const torch::Tensor sizes = p.sum({0, 2, 3}) + y.sum({0, 2, 3});
  return 1.0 - ((2.0 * both + dice_smooth) / (sizes + dice_smooth)).mean();
}

torch::Tensor loss(const LossOptions& options, const torch::Tensor& logits,
                   const torch::Tensor& targets, Kernels kernels) {
  if (kernels == Kernels::own && is_fused(options, logits) && can_fuse_loss(logits, targets)) {
    return fused_loss(logits, targets, options.kind == LossKind::cross_entropy_dice);
  }
  switch (options.kind) {
    case LossKind::cross_entropy:
      return cross_entropy(logits, targets, options.class_weights);
    case LossKind::cross_entropy_dice:
      return (cross_entropy(logits, targets, options.class_weights) + dice_loss(logits, targets)) /
             2.0;
    case LossKind::focal:
      return focal_loss(logits, targets, options.focal_gamma, options.class_weights);
    case LossKind::bce:
      return bce_loss(logits, targets, options.class_weights);
  }
  throw UsageError("this loss is unknown. Give one of train.loss.");
}

}  // namespace harmofl
