// SPDX-License-Identifier: Apache-2.0
/// How tests make and compare tensors.
#pragma once

#include "harmofl/io/shard.hpp"
#include "harmofl/model/network.hpp"

#include <torch/fft.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <cstdint>

namespace harmofl::test {

/// Largest absolute difference, in float64; NaN (which no bound holds) where either has one.
inline double distance(const torch::Tensor& a, const torch::Tensor& b) {
  return (a.to(torch::kFloat64) - b.to(torch::kFloat64)).abs().max().item<double>();
}

/// Whether two float32 tensors hold the same bits.
inline bool same_bits(const torch::Tensor& a, const torch::Tensor& b) {
  return a.sizes() == b.sizes() &&
         torch::equal(a.contiguous().view(torch::kInt32), b.contiguous().view(torch::kInt32));
}

/// Uniform float32 numbers in [0, 1), always the same for one seed.
inline torch::Tensor random_images(torch::IntArrayRef shape, std::uint64_t seed) {
  torch::manual_seed(seed);
  return torch::rand(shape);
}

inline ProblemShape segmentation_of(std::int64_t height, std::int64_t width) {
  return {Task::segmentation, 2, 3, height, width};
}

inline ProblemShape classification_of(std::int64_t height, std::int64_t width) {
  return {Task::classification, 2, 3, height, width};
}

}  // namespace harmofl::test
