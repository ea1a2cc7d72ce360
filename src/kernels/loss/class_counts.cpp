// SPDX-License-Identifier: Apache-2.0
#include "kernels/loss/class_counts.hpp"

#include <ATen/Parallel.h>

namespace harmofl {
namespace {

HARMOFL_SIMD_INLINE void predict(const Pixels<float>* logits, std::int64_t classes,
                                 std::int64_t count, std::int32_t* predicted) {
  Pixels<float> best;
  for (std::int64_t i = 0; i < count; ++i) best[i] = logits[0][i];
  for (std::int64_t i = 0; i < count; ++i) predicted[i] = 0;
  for (std::int64_t k = 1; k < classes; ++k) {
    for (std::int64_t i = 0; i < count; ++i) {
      const float value = logits[k][i];
      const bool first_nan = (value != value) & (best[i] == best[i]);
      const bool better = (value > best[i]) | first_nan;
      predicted[i] = better ? static_cast<std::int32_t>(k) : predicted[i];
      best[i] = better ? value : best[i];
    }
  }
}

HARMOFL_SIMD_CLONES void add_block(const float* logits, const std::int64_t* targets,
                                   const PixelBlock& block, ClassCounts& counts) {
  alignas(64) Pixels<float> classes[max_classes];
  alignas(64) std::int32_t predicted[block_pixels];
  alignas(64) std::int32_t truth[block_pixels];
  load(logits, block, block.count, classes);
  load_targets(targets, block, block.count, truth);
  predict(classes, block.classes, block.count, predicted);
  for (std::int32_t k = 0; k < static_cast<std::int32_t>(block.classes); ++k) {
    std::int32_t both = 0, in_predicted = 0, in_truth = 0;
    for (std::int64_t i = 0; i < block.count; ++i) {
      in_predicted += predicted[i] == k ? 1 : 0;
      in_truth += truth[i] == k ? 1 : 0;
      both += ((predicted[i] == k) & (truth[i] == k)) ? 1 : 0;
    }
    const auto index = static_cast<std::size_t>(k);
    counts.both[index] += both;
    counts.predicted[index] += in_predicted;
    counts.truth[index] += in_truth;
  }
}

}  // namespace

std::vector<ClassCounts> count_classes(const torch::Tensor& logits, const torch::Tensor& targets) {
  const ClassLayout layout = layout_of(logits);
  const auto* const values = logits.const_data_ptr<float>();
  const auto* const truth = targets.const_data_ptr<std::int64_t>();
  std::vector<ClassCounts> counts(static_cast<std::size_t>(layout.images));
  at::parallel_for(0, layout.images, /*grain_size=*/1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image) {
      for (std::int64_t pixel = 0; pixel < layout.pixels; pixel += block_pixels) {
        add_block(values, truth, layout.block(image, pixel, layout.pixels),
                  counts[static_cast<std::size_t>(image)]);
      }
    }
  });
  return counts;
}

}  // namespace harmofl
