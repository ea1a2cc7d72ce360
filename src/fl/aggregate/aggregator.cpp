// SPDX-License-Identifier: Apache-2.0
#include "fl/aggregate/aggregator.hpp"

#include "base/host_paths.hpp"
#include "harmofl/base/error.hpp"
#include "kernels/flat/weighted_sums.hpp"
#include "model/device/device.hpp"

#include <cmath>
#include <span>
#include <utility>

namespace harmofl {
namespace {

const double parameter_units = std::ldexp(1.0, 44);
const double buffer_units = std::ldexp(1.0, 30);

RankFailure too_large(const std::string& client) {
  return RankFailure(concat("client ", client, ": its model holds values too large for ",
                            "comm.reduce = exact. Lower --train.lr or set --comm.reduce fast."));
}

template <class Number>
std::span<Number> elements(torch::Tensor& tensor) {
  return {tensor.data_ptr<Number>(), static_cast<std::size_t>(tensor.numel())};
}

void add_over_ranks(Transport& transport, torch::Tensor& buffer) {
  const StreamHandle filled_on = current_stream(buffer.device());
  if (buffer.scalar_type() == torch::kFloat32) {
    transport.all_reduce_sum(elements<float>(buffer), filled_on);
  } else {
    transport.all_reduce_sum(elements<std::int64_t>(buffer), filled_on);
  }
}

}  // namespace

Aggregator::Aggregator(Transport& transport, Reduction reduction)
    : transport_(transport), reduction_(reduction) {}

void Aggregator::begin(const MessageLayout& layout, torch::Device device) {
  if (!sum_.defined() || layout_ != layout) {
    layout_ = layout;
    const std::int64_t length = layout.length();
    sum_ = torch::empty({length}, torch::TensorOptions(torch::kFloat32).device(device));
    if (reduction_ == Reduction::exact) {
      fixed_sum_ = torch::empty({length}, torch::TensorOptions(torch::kInt64).device(device));
      units_ = torch::full({length}, parameter_units, torch::kFloat64);
      units_.narrow(0, layout.parameters, layout.buffers).fill_(buffer_units);
      units_ = units_.to(device);
    }
  }
  empty_ = true;
  if (fixed_sum_.defined()) fixed_sum_.zero_();
}

// The first in host memory writes the sum, which is not cleared before.
void Aggregator::clear_if_empty() {
  if (std::exchange(empty_, false)) sum_.zero_();
}

bool Aggregator::add(const torch::Tensor& state, double weight, const std::string& client) {
  torch::NoGradGuard no_grad;
  HARMOFL_EXPECT(state.numel() == sum_.numel());
  if (state.is_cpu() && host_paths_in_use() && state.is_contiguous()) {
    return reduction_ == Reduction::exact ? add_exact_in_host_memory(state, weight, client)
                                          : add_in_host_memory(state, weight);
  }
  // 0 * x is NaN for every x that is not finite, so one sum tells whether all are.
  if (!std::isfinite((state * 0.0).sum().item<double>())) return false;
  if (reduction_ == Reduction::exact) {
    add_exact(state, weight, client);
  } else {
    clear_if_empty();
    sum_.add_(state * weight);
  }
  return true;
}

bool Aggregator::add_in_host_memory(const torch::Tensor& state, double weight) {
  const std::span<const float> values(state.const_data_ptr<float>(),
                                      static_cast<std::size_t>(state.numel()));
  if (!all_finite(values)) return false;
  const auto put = std::exchange(empty_, false) ? set_weighted : add_weighted;
  put(values, static_cast<float>(weight), elements<float>(sum_));
  return true;
}

bool Aggregator::add_exact_in_host_memory(const torch::Tensor& state, double weight,
                                          const std::string& client) {
  const std::span<const float> values(state.const_data_ptr<float>(),
                                      static_cast<std::size_t>(state.numel()));
  const FixedPoint fixed{{{{layout_.parameters, parameter_units},
                           {layout_.buffers, buffer_units},
                           {layout_.extra, parameter_units}}},
                         weight};
  if (add_fixed(values, fixed, elements<std::int64_t>(fixed_sum_))) return true;
  if (!all_finite(values)) return false;
  throw too_large(client);
}

void Aggregator::add_exact(const torch::Tensor& state, double weight, const std::string& client) {
  // Weights sum to 1, so that no sum is larger than the largest value.
  const torch::Tensor in_units = state.to(torch::kFloat64) * units_;
  const double largest = in_units.abs().max().item<double>();
  if (largest >= max_sum) throw too_large(client);
  fixed_sum_.add_((in_units * weight).round_().to(torch::kInt64));
}

const torch::Tensor& Aggregator::reduce() {
  if (reduction_ == Reduction::fast) {
    clear_if_empty();
    reduce_where_transport_wants(sum_);
  } else {
    reduce_where_transport_wants(fixed_sum_);
    sum_.copy_(fixed_sum_.to(torch::kFloat64).div_(units_));
  }
  return sum_;
}

// Buffers on a GPU go through host memory where the transport wants them there.
void Aggregator::reduce_where_transport_wants(torch::Tensor& buffer) {
  if (buffer.is_cuda() == transport_.on_gpu()) {
    add_over_ranks(transport_, buffer);
    return;
  }
  HARMOFL_EXPECT(!transport_.on_gpu());
  if (!staged_.defined() || staged_.numel() != buffer.numel()) {
    staged_ =
        torch::empty({buffer.numel()},
                     torch::TensorOptions(buffer.scalar_type()).pinned_memory(buffer.is_cuda()));
  }
  staged_.copy_(buffer);
  add_over_ranks(transport_, staged_);
  buffer.copy_(staged_);
}

}  // namespace harmofl
