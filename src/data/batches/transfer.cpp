// SPDX-License-Identifier: Apache-2.0
#include "data/batches/transfer.hpp"

#include "harmofl/base/error.hpp"

namespace harmofl {
namespace {

/// Host memory that is about to be copied to `device`. libtorch hands pinned memory out again only
/// when the copies from it are done.
torch::Tensor staging(std::vector<std::int64_t> shape, torch::Dtype type, torch::Device device) {
  return torch::empty(shape, torch::TensorOptions(type).pinned_memory(device.is_cuda()));
}

torch::Tensor send(const torch::Tensor& staged, torch::Device device) {
  return staged.to(device, /*non_blocking=*/true);
}

}  // namespace

torch::Tensor upload(const std::vector<std::int64_t>& values, torch::Device device) {
  auto* const data = const_cast<std::int64_t*>(values.data());
  return upload(torch::from_blob(data, {std::ssize(values)}, torch::kInt64), device);
}

torch::Tensor upload(const torch::Tensor& host, torch::Device device) {
  HARMOFL_EXPECT(host.is_cpu());
  const torch::Tensor staged = staging(host.sizes().vec(), host.scalar_type(), device);
  return send(staged.copy_(host), device);
}

torch::Tensor upload_rows(const torch::Tensor& host, const torch::Tensor& chosen,
                          torch::Device device) {
  HARMOFL_EXPECT(host.is_cpu() && chosen.is_cpu());
  std::vector<std::int64_t> shape = host.sizes().vec();
  shape.front() = chosen.numel();
  torch::Tensor staged = staging(shape, host.scalar_type(), device);
  at::index_select_out(staged, host, 0, chosen);
  return send(staged, device);
}

}  // namespace harmofl
