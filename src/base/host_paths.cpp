// SPDX-License-Identifier: Apache-2.0
#include "base/host_paths.hpp"

#include <atomic>

namespace harmofl {
namespace {
std::atomic<int> gpu_paths{0};  ///< How many GpuPaths live.
}

bool host_paths_in_use() { return gpu_paths.load(std::memory_order_relaxed) == 0; }

GpuPaths::GpuPaths() { gpu_paths.fetch_add(1); }

GpuPaths::~GpuPaths() { gpu_paths.fetch_sub(1); }

}  // namespace harmofl
