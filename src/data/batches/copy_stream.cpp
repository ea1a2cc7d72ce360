// SPDX-License-Identifier: Apache-2.0
// By what libtorch has for streams of any device, so that this layer needs no CUDA.
#include "data/batches/copy_stream.hpp"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace harmofl {
namespace {

c10::Stream current_stream_of(torch::Device device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

/// Makes `later` wait for what `earlier` has been given so far.
c10::Event follow(const c10::Stream& later, const c10::Stream& earlier) {
  c10::Event event(earlier.device_type());
  event.record(earlier);
  event.block(later);
  return event;
}

}  // namespace

CopyStream::CopyStream(torch::Device device) : device_(device) {
  if (device.is_cpu()) return;
  stream_ = c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

void CopyStream::run(const std::function<void()>& work) {
  if (!stream_) return work();
  follow(*stream_, current_stream_of(device_));
  const c10::StreamGuard guard(*stream_);
  work();
  done_.emplace(device_.type());
  done_->record(*stream_);
}

void CopyStream::hand_over(const std::vector<torch::Tensor>& tensors) {
  if (!stream_) return;
  const c10::Stream current = current_stream_of(device_);
  done_->block(current);
  for (const torch::Tensor& tensor : tensors) tensor.record_stream(current);
}

}  // namespace harmofl
