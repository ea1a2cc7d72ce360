// Samples stay in their stored type until a batch is cut, augmentation included: a uint8 batch is a
// quarter of the bytes to gather and to turn. The conversion divides, as the reference
// implementations do; a product with the reciprocal would differ in the last bit. The divisor is a
// tensor because that product is what libtorch makes of a division by a number on a GPU.
#include "harmofl/data/batches.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/data/augmentation.hpp"
#include "harmofl/data/transfer.hpp"

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

torch::Device device_of(const Samples& samples) {
  if (samples.batch_device) return *samples.batch_device;
  return samples.images.defined() ? samples.images.device() : torch::Device(torch::kCPU);
}

}  // namespace

BatchStream::BatchStream(const Samples& samples, BatchOptions options)
    : samples_(samples),
      options_(options),
      device_(device_of(samples)),
      scale_(torch::full({}, samples.intensity_scale, torch::TensorOptions(device_))),
      count_(used_count(samples, options)) {}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
                         RngStream augmentation)
    : BatchStream(samples, options) {
  if (count_ == 0) return;
  order_ = upload(shuffle.permutation(samples.count()), samples.images.device());
  if (!options.augment) return;
  augmentation_ = augmentation;
  if (!device_.is_cpu()) {
    pixel_sources_ = pixel_sources(samples.images.size(2), samples.images.size(3), device_);
  }
}

std::int64_t BatchStream::batches() const {
  return (count_ + options_.batch_size - 1) / options_.batch_size;
}

bool BatchStream::staged() const { return samples_.images.device() != device_; }

/// The next `size` rows of `all`, on the device of the batches.
torch::Tensor BatchStream::rows(const torch::Tensor& all, std::int64_t size) const {
  if (!order_.defined()) {
    const torch::Tensor part = all.narrow(0, position_, size);
    return staged() ? upload(part, device_) : part;
  }
  const torch::Tensor chosen = order_.narrow(0, position_, size);
  return staged() ? upload_rows(all, chosen, device_) : all.index_select(0, chosen);
}

std::optional<Batch> BatchStream::next() {
  if (position_ >= count_) return std::nullopt;
  const std::int64_t size = std::min(options_.batch_size, count_ - position_);
  torch::Tensor images = rows(samples_.images, size);
  torch::Tensor targets = rows(samples_.targets, size);
  position_ += size;

  const bool has_masks = targets.dim() == 3;
  torch::Tensor masks = has_masks ? targets : torch::Tensor();
  if (augmentation_) augment(images, masks, *augmentation_, pixel_sources_);
  return Batch{images.to(torch::kFloat32).div(scale_), targets.to(torch::kInt64)};
}

}  // namespace harmofl
