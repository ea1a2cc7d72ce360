// SPDX-License-Identifier: Apache-2.0
/// Copies from host memory to a device. To a GPU they go through pinned memory, so that the host
/// need not wait for them; what runs next on the device's current stream sees them.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <vector>

namespace harmofl {

/// `values`, int64, on `device`.
torch::Tensor upload(const std::vector<std::int64_t>& values, torch::Device device);

/// A copy of `host`, a tensor in host memory, on `device`.
torch::Tensor upload(const torch::Tensor& host, torch::Device device);

/// Rows `chosen` (int64, in host memory) of `host`, on `device`.
torch::Tensor upload_rows(const torch::Tensor& host, const torch::Tensor& chosen,
                          torch::Device device);

}  // namespace harmofl
