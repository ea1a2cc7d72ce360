// SPDX-License-Identifier: Apache-2.0
// In host memory a batch is cut in one pass (batch_pixels.hpp). On its way to a GPU it stays in the
// stored type until it is there, augmentation included: a quarter of the bytes to gather and to
// turn. Either way the conversion divides, as the reference implementations do; a product with the
// reciprocal would differ in the last bit. On a GPU the divisor is a tensor because that product is
// what libtorch makes of a division by a number.
#include "data/batches/batches.hpp"

#include "base/host_paths.hpp"
#include "data/batches/batch_pixels.hpp"
#include "data/batches/block_reader.hpp"
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

bool can_cut_in_host_memory(const SampleBlock& like, torch::Device device) {
  return device.is_cpu() && host_paths_in_use() && like.images.defined() &&
         can_be_cut(like.images, like.targets);
}

std::vector<std::int64_t> first_numbers(std::int64_t count) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), std::int64_t{0});
  return numbers;
}

/// Whether batches go from the samples' memory to that of another device.
bool is_staged(const Samples& samples, const SampleBlock& like, torch::Device device) {
  if (!samples.batch_device || !like.images.defined()) return false;
  return like.images.device() != device || !host_paths_in_use();
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

const torch::Tensor& BatchBuffers::turns(std::int64_t height, std::int64_t width,
                                         torch::Device device) {
  const std::array<std::int64_t, 2> size{height, width};
  if (!turns_.defined() || turned_size_ != size || turns_.device() != device) {
    turns_ = pixel_sources(height, width, device);
    turned_size_ = size;
  }
  return turns_;
}

CopyStream& BatchBuffers::copies(torch::Device device) {
  if (!copies_ || copies_->device() != device) copies_.emplace(device);
  return *copies_;
}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers,
                         std::vector<std::int64_t> order)
    : samples_(samples),
      like_(samples.source ? samples.source->make_block(0)
                           : SampleBlock{samples.images, samples.targets}),
      options_(options),
      device_(device_of(samples)),
      buffers_(buffers != nullptr ? *buffers : own_buffers_),
      in_one_pass_(can_cut_in_host_memory(like_, device_)),
      staged_(!in_one_pass_ && is_staged(samples, like_, device_)),
      rows_(std::move(order)),
      count_(used_count(samples, options)) {
  const bool in_stored_order = rows_.empty();
  if (samples.source && count_ > 0) {
    if (in_stored_order) rows_ = first_numbers(count_);
    rows_.resize(static_cast<std::size_t>(count_));
  } else if (in_stored_order && in_one_pass_) {
    rows_ = first_numbers(count_);
  } else if (!in_stored_order && !in_one_pass_) {
    order_ = upload(rows_, samples.images.device());
  }
  if (!in_one_pass_) {
    scale_ = torch::full({}, samples.intensity_scale, torch::TensorOptions(device_));
  }
}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers)
    : BatchStream(samples, options, buffers, std::vector<std::int64_t>{}) {}

BatchStream::BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
                         RngStream augmentation, BatchBuffers* buffers)
    : BatchStream(samples, options, buffers, shuffle.permutation(samples.count())) {
  if (count_ == 0 || !options.augment) return;
  augmentation_ = augmentation;
  if (!in_one_pass_ && !(device_.is_cpu() && host_paths_in_use())) {
    pixel_sources_ = buffers_.turns(like_.images.size(2), like_.images.size(3), device_);
  }
}

BatchStream::~BatchStream() = default;

std::int64_t batch_count(const Samples& samples, const BatchOptions& options) {
  return (used_count(samples, options) + options.batch_size - 1) / options.batch_size;
}

void BatchStream::skip(std::int64_t batches) {
  HARMOFL_EXPECT(position_ == 0 && batches >= 0 && batches < this->batches());
  position_ = batches * options_.batch_size;
  const torch::Tensor& stored = like_.images;
  for (std::int64_t i = 0; augmentation_ && i < position_; ++i) {
    draw_symmetry(stored.size(2), stored.size(3), *augmentation_);
  }
}

/// Begins to read the samples from the present position on.
void BatchStream::start_reading() {
  rows_.erase(rows_.begin(), rows_.begin() + position_);
  reader_ = std::make_unique<BlockReader>(samples_.source, std::move(rows_), options_.batch_size);
  rows_ = first_numbers(std::min(options_.batch_size, count_));
}

/// What the next `size` samples are cut from: all of them, or those that were read for the batch.
SampleBlock BatchStream::block(std::int64_t size) {
  if (!samples_.source) return like_;
  if (!reader_) start_reading();
  const SampleBlock& read = reader_->next();
  return {read.images.narrow(0, 0, size), read.targets.narrow(0, 0, size)};
}

/// The next `size` rows of `all`, on the device of the batches.
torch::Tensor BatchStream::rows(const torch::Tensor& all, std::int64_t size) const {
  if (!order_.defined()) {
    const torch::Tensor part = reader_ ? all : all.narrow(0, position_, size);
    if (staged_) return upload(part, device_);
    return reader_ ? part.clone() : part;  // what was read is written again
  }
  const torch::Tensor chosen = order_.narrow(0, position_, size);
  return staged_ ? upload_rows(all, chosen, device_) : all.index_select(0, chosen);
}

// A batch that goes to another device is on its way while the one before is worked on.
std::optional<Batch> BatchStream::next() {
  if (!staged_) return take();
  CopyStream& copies = buffers_.copies(device_);
  const auto send = [&] { copies.run([&] { ahead_ = take(); }); };
  if (!ahead_) send();
  std::optional<Batch> batch = std::exchange(ahead_, std::nullopt);
  if (!batch) return std::nullopt;
  copies.hand_over({batch->images, batch->targets});
  if (position_ < count_) send();
  return batch;
}

std::optional<Batch> BatchStream::take() {
  if (position_ >= count_) return std::nullopt;
  const std::int64_t size = std::min(options_.batch_size, count_ - position_);
  Batch batch = in_one_pass_ ? cut(size) : gather(size);
  position_ += size;
  return batch;
}

/// The next `size` samples, in host memory.
Batch BatchStream::cut(std::int64_t size) {
  const SampleBlock stored = block(size);
  turns_.clear();
  for (std::int64_t i = 0; augmentation_ && i < size; ++i) {
    turns_.push_back(draw_symmetry(stored.images.size(2), stored.images.size(3), *augmentation_));
  }
  const auto memory = [&](const torch::Tensor& like, torch::Dtype type,
                          torch::MemoryFormat format) {
    c10::SmallVector<std::int64_t, 4> sizes(like.sizes());
    sizes.front() = size;
    return buffers_.buffer(sizes, type, format);
  };
  Batch batch{memory(stored.images, torch::kFloat32, options_.format),
              memory(stored.targets, torch::kInt64, torch::MemoryFormat::Contiguous)};
  const auto first = reader_ ? std::size_t{0} : static_cast<std::size_t>(position_);
  const BatchRows rows{std::span(rows_).subspan(first, static_cast<std::size_t>(size)), turns_};
  cut_images(stored.images, rows, samples_.intensity_scale, batch.images);
  cut_targets(stored.targets, rows, batch.targets);
  return batch;
}

/// The next `size` samples by libtorch's operations, on whatever device.
Batch BatchStream::gather(std::int64_t size) {
  const SampleBlock stored = block(size);
  torch::Tensor images = rows(stored.images, size);
  torch::Tensor targets = rows(stored.targets, size);
  const bool has_masks = targets.dim() == 3;
  torch::Tensor masks = has_masks ? targets : torch::Tensor();
  if (augmentation_) augment(images, masks, *augmentation_, pixel_sources_);
  return {images.to(torch::kFloat32).div(scale_), targets.to(torch::kInt64)};
}

}  // namespace harmofl
