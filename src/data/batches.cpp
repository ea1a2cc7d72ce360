// Samples stay in their stored type until a batch is cut, augmentation included: a uint8 batch is a
// quarter of the bytes to gather and to turn. The conversion divides, as the reference
// implementations do; a product with the reciprocal would differ in the last bit.
#include "harmofl/data/batches.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/data/augmentation.hpp"

#include <torch/types.h>

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

std::int64_t used_count(const Samples& samples, const BatchOptions& options) {
  HARMOFL_EXPECT(options.batch_size > 0);
  if (options.most_samples < 0) return samples.count();
  return std::min(options.most_samples, samples.count());
}

}  // namespace

BatchStream::BatchStream(const Samples& samples, BatchOptions options)
    : samples_(samples), options_(options), count_(used_count(samples, options)) {}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
                         RngStream augmentation)
    : samples_(samples),
      options_(options),
      order_(shuffle.permutation(samples.count())),
      count_(used_count(samples, options)) {
  if (options.augment) augmentation_ = augmentation;
}

std::int64_t BatchStream::batches() const {
  return (count_ + options_.batch_size - 1) / options_.batch_size;
}

std::optional<Batch> BatchStream::next() {
  if (position_ >= count_) return std::nullopt;
  const std::int64_t size = std::min(options_.batch_size, count_ - position_);
  torch::Tensor images;
  torch::Tensor targets;
  if (order_.empty()) {
    images = samples_.images.narrow(0, position_, size);
    targets = samples_.targets.narrow(0, position_, size);
  } else {
    const torch::Tensor chosen = torch::from_blob(order_.data() + position_, {size}, torch::kInt64)
                                     .to(samples_.images.device());
    images = samples_.images.index_select(0, chosen);
    targets = samples_.targets.index_select(0, chosen);
  }
  position_ += size;

  const bool has_masks = targets.dim() == 3;
  torch::Tensor masks = has_masks ? targets : torch::Tensor();
  if (augmentation_) augment(images, masks, *augmentation_);
  return Batch{images.to(torch::kFloat32).div(samples_.intensity_scale), targets.to(torch::kInt64)};
}

}  // namespace harmofl
