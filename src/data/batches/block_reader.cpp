// SPDX-License-Identifier: Apache-2.0
#include "data/batches/block_reader.hpp"

#include "base/range.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

std::int64_t batch_bytes(const SampleSource& source, std::int64_t batch_size) {
  const SampleBlock one = source.make_block(1);
  return batch_size * static_cast<std::int64_t>(one.images.nbytes() + one.targets.nbytes());
}

/// Number of batches that are in memory, the present one and those ahead of it.
std::int64_t blocks_of(const SampleSource& source, std::int64_t batch_size, std::int64_t batches,
                       const ReadAhead& ahead) {
  const std::int64_t bytes = std::max<std::int64_t>(1, batch_bytes(source, batch_size));
  return std::min(batches, std::clamp(ahead.bytes / bytes, ahead.least, ahead.most) + 1);
}

}  // namespace

std::int64_t read_ahead_bytes(const SampleSource& source, std::int64_t batch_size,
                              std::int64_t batches, const ReadAhead& ahead) {
  return blocks_of(source, batch_size, batches, ahead) * batch_bytes(source, batch_size);
}

BlockReader::BlockReader(std::shared_ptr<const SampleSource> source,
                         std::vector<std::int64_t> order, std::int64_t batch_size, ReadAhead ahead)
    : source_(std::move(source)),
      order_(std::move(order)),
      batch_size_(std::min(batch_size, std::ssize(order_))),
      batches_(order_.empty() ? 0 : (std::ssize(order_) + batch_size_ - 1) / batch_size_) {
  if (batches_ == 0) return;
  source_->check_unchanged();
  slots_.resize(static_cast<std::size_t>(blocks_of(*source_, batch_size_, batches_, ahead)));
  for (Slot& slot : slots_) slot.block = source_->make_block(batch_size_);
  const std::int64_t threads = std::min(ahead.threads, std::ssize(slots_));
  for (std::int64_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] {
      set_thread_role({"reader"});
      work();
    });
  }
}

BlockReader::~BlockReader() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  freed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

BlockReader::Slot& BlockReader::slot(std::int64_t batch) {
  return slots_[static_cast<std::size_t>(batch) % slots_.size()];
}

std::span<const std::int64_t> BlockReader::rows_of(std::int64_t batch) const {
  const std::int64_t first = batch * batch_size_;
  const std::int64_t count = std::min(batch_size_, std::ssize(order_) - first);
  return std::span(order_).subspan(static_cast<std::size_t>(first),
                                   static_cast<std::size_t>(count));
}

// The slot of the batch that is in use is free only when the next one is asked for.
void BlockReader::work() {
  while (true) {
    std::int64_t batch = 0;
    {
      std::unique_lock lock(mutex_);
      freed_.wait(lock, [&] {
        const std::int64_t in_use = std::max<std::int64_t>(0, taken_ - 1);
        return stopping_ || claimed_ == batches_ || claimed_ < in_use + std::ssize(slots_);
      });
      if (stopping_ || claimed_ == batches_) return;
      batch = claimed_++;
    }
    read(batch);
  }
}

void BlockReader::read(std::int64_t batch) {
  const Range range("read batch", {"batch", batch});
  Slot& place = slot(batch);
  std::exception_ptr error;
  try {
    source_->read(rows_of(batch), place.block);
  } catch (...) {
    error = std::current_exception();
  }
  {
    const std::lock_guard lock(mutex_);
    place.error = error;
    place.ready = true;
  }
  filled_.notify_one();
}

const SampleBlock& BlockReader::next() {
  HARMOFL_EXPECT(taken_ < batches_);
  std::unique_lock lock(mutex_);
  if (taken_ > 0) slot(taken_ - 1).ready = false;
  Slot& wanted = slot(taken_++);
  freed_.notify_one();
  filled_.wait(lock, [&] { return wanted.ready; });
  if (wanted.error) std::rethrow_exception(wanted.error);
  return wanted.block;
}

}  // namespace harmofl
