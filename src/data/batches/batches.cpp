// SPDX-License-Identifier: Apache-2.0
// In host memory a batch is cut in one pass (batch_pixels.hpp). On its way to a GPU it stays in the
// stored type until it is there, augmentation included: a quarter of the bytes to gather and to
// turn. Either way the conversion divides, as the reference implementations do; a product with the
// reciprocal would differ in the last bit. On a GPU the divisor is a tensor because that product is
// what libtorch makes of a division by a number.
#include "data/batches/batches.hpp"

#include "data/batches/batch_pixels.hpp"
#include "data/batches/transfer.hpp"
#include "harmofl/base/error.hpp"

#include <torch/types.h>

#include <algorithm>
#include <numeric>
#include <utility>

namespace harmofl {
namespace {

std::int64_t used_count(const Samples& samples, const BatchOptions& options) {
  HARMOFL_EXPECT(options.batch_size > 0);
  if (options.max_samples < 0) return samples.count();
  return std::min(options.max_samples, samples.count());
}

torch::Device device_of(const Samples& samples) {
  if (samples.batch_device) return *samples.batch_device;
  return samples.images.defined() ? samples.images.device() : torch::Device(torch::kCPU);
}

bool can_cut_in_host_memory(const Samples& samples, torch::Device device) {
  return device.is_cpu() && samples.images.defined() && can_be_cut(samples.images, samples.targets);
}

constexpr std::size_t max_kept = 4;  // images and targets of full batches, and of the last one

}  // namespace

torch::Tensor BatchBuffers::buffer(torch::IntArrayRef sizes, torch::Dtype type,
                                   torch::MemoryFormat format) {
  const auto unused = std::ranges::find_if(kept_, [&](const torch::Tensor& kept) {
    return kept.sizes() == sizes && kept.scalar_type() == type && kept.is_contiguous(format) &&
           kept.use_count() == 1 && kept.storage().use_count() == 1;
  });
  if (unused != kept_.end()) {
    std::rotate(unused, unused + 1, kept_.end());
    return kept_.back();
  }
  if (kept_.size() == max_kept) kept_.erase(kept_.begin());
  kept_.push_back(torch::empty(sizes, torch::TensorOptions(type).memory_format(format)));
  return kept_.back();
}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers)
    : samples_(samples),
      options_(options),
      device_(device_of(samples)),
      buffers_(buffers),
      in_one_pass_(can_cut_in_host_memory(samples, device_)),
      count_(used_count(samples, options)) {
  if (in_one_pass_) {
    rows_.resize(static_cast<std::size_t>(count_));
    std::iota(rows_.begin(), rows_.end(), std::int64_t{0});
  } else {
    scale_ = torch::full({}, samples.intensity_scale, torch::TensorOptions(device_));
  }
}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
                         RngStream augmentation, BatchBuffers* buffers)
    : BatchStream(samples, options, buffers) {
  if (count_ == 0) return;
  if (options.augment) augmentation_ = augmentation;
  rows_ = shuffle.permutation(samples.count());
  if (in_one_pass_) return;
  order_ = upload(rows_, samples.images.device());
  if (options.augment && !device_.is_cpu()) {
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
  Batch batch = in_one_pass_ ? cut(size) : gather(size);
  position_ += size;
  return batch;
}

/// The next `size` samples, in host memory.
Batch BatchStream::cut(std::int64_t size) {
  const torch::Tensor& stored = samples_.images;
  turns_.clear();
  for (std::int64_t i = 0; augmentation_ && i < size; ++i) {
    turns_.push_back(draw_symmetry(stored.size(2), stored.size(3), *augmentation_));
  }
  BatchBuffers fresh;
  BatchBuffers& buffers = buffers_ != nullptr ? *buffers_ : fresh;
  const auto memory = [&](const torch::Tensor& like, torch::Dtype type,
                          torch::MemoryFormat format) {
    c10::SmallVector<std::int64_t, 4> sizes(like.sizes());
    sizes.front() = size;
    return buffers.buffer(sizes, type, format);
  };
  Batch batch{memory(stored, torch::kFloat32, options_.format),
              memory(samples_.targets, torch::kInt64, torch::MemoryFormat::Contiguous)};
  const auto first = static_cast<std::size_t>(position_);
  const BatchRows rows{std::span(rows_).subspan(first, static_cast<std::size_t>(size)), turns_};
  cut_images(stored, rows, samples_.intensity_scale, batch.images);
  cut_targets(samples_.targets, rows, batch.targets);
  return batch;
}

/// The next `size` samples by libtorch's operations, on whatever device.
Batch BatchStream::gather(std::int64_t size) {
  torch::Tensor images = rows(samples_.images, size);
  torch::Tensor targets = rows(samples_.targets, size);
  const bool has_masks = targets.dim() == 3;
  torch::Tensor masks = has_masks ? targets : torch::Tensor();
  if (augmentation_) augment(images, masks, *augmentation_, pixel_sources_);
  return {images.to(torch::kFloat32).div(scale_), targets.to(torch::kInt64)};
}

}  // namespace harmofl
