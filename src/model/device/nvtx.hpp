// SPDX-License-Identifier: Apache-2.0
/// Ranges of this program (base/range.hpp) in what NVIDIA's Nsight shows.
#pragma once

#include <c10/core/Device.h>

namespace harmofl {

/// Hands all ranges to NVTX from now on, if `device` is a GPU.
void show_ranges(const c10::Device& device);

}  // namespace harmofl
