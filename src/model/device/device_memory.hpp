// SPDX-License-Identifier: Apache-2.0
/// Memory of a GPU, as the driver and libtorch see it.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>

namespace harmofl {

/// What nobody uses of a GPU now. 0 for the CPU.
std::int64_t free_gpu_bytes(const c10::Device& device);

/// The most that libtorch has held of this process' GPU so far, in use or kept for later: what the
/// GPU lacks for others. 0 where the process uses none.
std::int64_t peak_gpu_bytes();

/// Gives back what libtorch keeps for later, and counts the peak from what is left.
void restart_gpu_peak(const c10::Device& device);

}  // namespace harmofl
