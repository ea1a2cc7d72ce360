// SPDX-License-Identifier: Apache-2.0
#include "model/networks/norm.hpp"

#include <algorithm>

namespace harmofl {
namespace {

constexpr std::int64_t max_groups = 8;

/// The largest number of groups up to `max_groups` that divides `channels`.
std::int64_t group_count(std::int64_t channels) {
  std::int64_t groups = std::min(max_groups, channels);
  while (channels % groups != 0) --groups;
  return groups;
}

}  // namespace

Norm::Norm(NormKind kind, std::int64_t channels) : kind_(kind), groups_(group_count(channels)) {
  if (kind == NormKind::batch_stateless) return;
  weight_ = register_parameter("weight", torch::ones({channels}));
  bias_ = register_parameter("bias", torch::zeros({channels}));
  if (kind == NormKind::group) return;
  running_mean_ = register_buffer("running_mean", torch::zeros({channels}));
  running_var_ = register_buffer("running_var", torch::ones({channels}));
  batches_tracked_ = register_buffer("num_batches_tracked", torch::zeros({}));
}

bool Norm::fused(const torch::Tensor& images) const {
  return kind_ != NormKind::group && fits_row_kernels(images);
}

BatchNormState Norm::next_state() {
  if (batches_tracked_.defined() && is_training()) batches_tracked_.add_(1.0);
  const bool batch_statistics = is_training() || kind_ == NormKind::batch_stateless;
  return {weight_, bias_, running_mean_, running_var_, batch_statistics, momentum_, eps};
}

torch::Tensor Norm::forward(const torch::Tensor& images) {
  if (kind_ == NormKind::group) return at::group_norm(images, groups_, weight_, bias_, eps);
  const BatchNormState state = next_state();
  if (fused(images)) return batch_norm(images, state, /*relu=*/false);
  return at::batch_norm(images, weight_, bias_, running_mean_, running_var_, state.of_batch,
                        momentum_, eps, /*cudnn_enabled=*/true);
}

torch::Tensor Norm::forward_relu(const torch::Tensor& images, const torch::Tensor& out) {
  if (fused(images)) return batch_norm(images, next_state(), /*relu=*/true, out);
  const torch::Tensor y = forward(images).relu_();
  return out.defined() ? out.copy_(y) : y;
}

torch::Tensor Norm::forward_relu_pool(const torch::Tensor& images) {
  if (fused(images) && images.size(2) > 1 && images.size(3) > 1) {
    return batch_norm_relu_pool(images, next_state());
  }
  return at::max_pool2d(forward(images).relu_(), 2);
}

std::pair<torch::Tensor, torch::Tensor> Norm::forward_relu_and_pool(const torch::Tensor& images,
                                                                    const torch::Tensor& out) {
  if (fused(images) && images.size(2) > 1 && images.size(3) > 1) {
    return batch_norm_relu_and_pool(images, next_state(), out);
  }
  const torch::Tensor y = forward_relu(images, out);
  return {y, at::max_pool2d(y, 2)};
}

}  // namespace harmofl
