// SPDX-License-Identifier: Apache-2.0
/// Counts pixels by predicted and true class, in one pass over logits in host memory.
#pragma once

#include "kernels/loss/pixel_blocks.hpp"

#include <vector>

namespace harmofl {

/// Pixels of one image, or samples of a batch of labels, by class.
struct ClassCounts {
  PerClass<std::int64_t> both{}, predicted{}, truth{};
};

/// Whether `count_classes` knows such a batch.
inline bool can_count_classes(const torch::Tensor& logits, const torch::Tensor& targets) {
  return has_blocks(logits, targets);
}

/// The counts of each image; of a batch of labels, one for all. The prediction is the class of the
/// largest logit, the first of equals; NaN is larger than any number, as libtorch's argmax has it.
std::vector<ClassCounts> count_classes(const torch::Tensor& logits, const torch::Tensor& targets);

}  // namespace harmofl
