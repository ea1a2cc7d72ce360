// SPDX-License-Identifier: Apache-2.0
// By what libtorch has for devices of any kind, which builds without CUDA have as well.
#include "model/device/device_memory.hpp"

#include <ATen/DeviceAccelerator.h>

namespace harmofl {
namespace {

/// Whether libtorch has put anything on a GPU; asking for more would start the GPU.
bool uses_gpu() {
  const auto kind = at::accelerator::getAccelerator(/*checked=*/false);
  return kind && at::accelerator::deviceCount() > 0 && at::getDeviceAllocator(*kind)->initialized();
}

}  // namespace

std::int64_t free_gpu_bytes(const c10::Device& device) {
  if (device.is_cpu()) return 0;
  return static_cast<std::int64_t>(at::accelerator::getMemoryInfo(device.index()).first);
}

std::int64_t peak_gpu_bytes() {
  if (!uses_gpu()) return 0;
  constexpr auto all = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  const auto stats = at::accelerator::getDeviceStats(at::accelerator::getDeviceIndex());
  return stats.reserved_bytes[all].peak;
}

void restart_gpu_peak(const c10::Device& device) {
  if (device.is_cpu() || !uses_gpu()) return;
  at::accelerator::emptyCache();
  at::accelerator::resetPeakStats(device.index());
}

}  // namespace harmofl
