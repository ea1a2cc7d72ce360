// SPDX-License-Identifier: Apache-2.0
// On a GPU the lanes' streams know nothing of each other. The host stands between them: it waits
// for a stream before another one gets what that stream has made.
#include "fl/lanes/lanes.hpp"

#include "harmofl/base/error.hpp"

#include <ATen/Parallel.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

void wait_for_device(torch::Device device) {
  if (device.is_cpu()) return;
  c10::impl::VirtualGuardImpl(device.type()).getStream(device).synchronize();
}

std::optional<c10::Stream> new_stream(torch::Device device) {
  if (device.is_cpu()) return std::nullopt;
  return c10::impl::VirtualGuardImpl(device.type()).getStreamFromGlobalPool(device);
}

/// Makes libtorch compute in this thread as the rank does, on `stream` where there is one, as long
/// as what it returns lives.
std::shared_ptr<void> enter_lane(int threads, const std::optional<c10::Stream>& stream) {
  if (at::get_num_threads() != threads) at::set_num_threads(threads);
  return std::make_shared<c10::OptionalStreamGuard>(stream);
}

/// A model that knows the running amplitude which `first` knows.
void follow(Model& model, const Model& first) {
  if (!first.amplitude().frozen()) {
    model.amplitude().begin_client();  // forgets what clients whose updates are lost have shown
  } else if (!model.amplitude().frozen()) {
    torch::NoGradGuard no_grad;
    model.state().state().copy_(first.state().state());
    model.amplitude().freeze();
  }
}

}  // namespace

std::int64_t lane_bytes(const Model& model, const LocalOptions& options) {
  const std::int64_t parameters = model.parameter_count();
  const std::int64_t perturbation = options.perturbation.alpha > 0.0 ? parameters : 0;
  return (model.state().state().numel() + parameters + perturbation) * std::int64_t{sizeof(float)};
}

Lanes::Lanes(std::int64_t count, Lane first, Make make)
    : count_(count), first_(first), make_(std::move(make)) {
  HARMOFL_EXPECT(count >= 1);
}

std::int64_t Lanes::busy(std::int64_t items) const {
  return std::clamp<std::int64_t>(items, 1, count_);
}

Lane Lanes::at(std::int64_t lane) {
  if (lane == 0) return first_;
  const LaneParts& parts = further_.at(static_cast<std::size_t>(lane) - 1).parts;
  return {*parts.model, *parts.algorithm, *parts.trainer};
}

void Lanes::make_until(std::int64_t lanes) {
  while (std::ssize(further_) + 1 < lanes) {
    further_.push_back({make_(), new_stream(first_.model.device())});
  }
  for (std::int64_t lane = 1; lane < lanes; ++lane) follow(at(lane).model, first_.model);
}

void Lanes::share_out(const std::vector<std::size_t>& order, TakenIn taken_in,
                      const SharedWork& work) {
  const std::int64_t lanes = busy(std::ssize(order));
  if (lanes == 1) return harmofl::share_out(crew_, 1, order, taken_in, work);
  make_until(lanes);
  const torch::Device device = first_.model.device();
  const int threads = at::get_num_threads();
  wait_for_device(device);
  SharedWork parts = work;
  parts.enter = [&](std::int64_t lane) -> std::shared_ptr<void> {
    if (lane == 0) return nullptr;
    return enter_lane(threads, further_[static_cast<std::size_t>(lane) - 1].stream);
  };
  parts.work = [&](std::int64_t lane, std::size_t item) {
    work.work(lane, item);
    wait_for_device(device);
  };
  parts.end = [&](std::size_t item) {
    work.end(item);
    wait_for_device(device);
  };
  parts.set_aside = [&](std::size_t item) {
    work.set_aside(item);
    wait_for_device(device);
  };
  harmofl::share_out(crew_, lanes, order, taken_in, parts);
}

}  // namespace harmofl
