// SPDX-License-Identifier: Apache-2.0
#include "model/networks/projection.hpp"

namespace harmofl {
namespace {
constexpr std::int64_t projected = 256;
}

Projection::Projection(std::int64_t features)
    : first_(register_module("0", torch::nn::Linear(features, features))),
      second_(register_module("2", torch::nn::Linear(features, projected))) {}

torch::Tensor Projection::forward(const torch::Tensor& features) {
  return second_(first_(features).relu_());
}

}  // namespace harmofl
