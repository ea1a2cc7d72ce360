#include "harmofl/model/norm.hpp"

#include <algorithm>

namespace harmofl {
namespace {

constexpr double eps = 1e-5;
constexpr std::int64_t most_groups = 8;

/// The largest number of groups up to `most_groups` that divides `channels`.
std::int64_t group_count(std::int64_t channels) {
  std::int64_t groups = std::min(most_groups, channels);
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

torch::Tensor Norm::forward(const torch::Tensor& images) {
  if (kind_ == NormKind::group) return at::group_norm(images, groups_, weight_, bias_, eps);
  if (batches_tracked_.defined() && is_training()) batches_tracked_.add_(1.0);
  const bool batch_statistics = is_training() || kind_ == NormKind::batch_stateless;
  return at::batch_norm(images, weight_, bias_, running_mean_, running_var_, batch_statistics,
                        momentum_, eps, /*cudnn_enabled=*/true);
}

}  // namespace harmofl
