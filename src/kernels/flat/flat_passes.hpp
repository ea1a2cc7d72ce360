// SPDX-License-Identifier: Apache-2.0
/// Passes over flat float32 buffers on the CPU, in pieces of one size whatever the number of
/// threads.
#pragma once

#include "base/host_paths.hpp"

#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace harmofl {

/// Elements in a piece: a thread's least share of a pass, and what is summed by itself.
inline constexpr std::int64_t piece_count = 1 << 15;

/// Calls `work(begin, count)` for pieces that make up `total` elements.
template <class Work>
void for_pieces(std::int64_t total, const Work& work) {
  at::parallel_for(0, total, piece_count,
                   [&](std::int64_t begin, std::int64_t end) { work(begin, end - begin); });
}

/// The sum of `sum(begin, count)` over pieces that make up `total` elements, always the same
/// pieces, added up in their order.
template <class Sum>
double sum_pieces(std::int64_t total, const Sum& sum) {
  const std::int64_t pieces = (total + piece_count - 1) / piece_count;
  std::vector<double> sums(static_cast<std::size_t>(pieces));
  at::parallel_for(0, pieces, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t begin = i * piece_count;
      sums[static_cast<std::size_t>(i)] = sum(begin, std::min(piece_count, total - begin));
    }
  });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

/// Whether the kernels of step_kernels.hpp can work on `x`.
inline bool flat_on_cpu(const torch::Tensor& x) {
  return x.is_cpu() && host_paths_in_use() && x.is_contiguous() &&
         x.scalar_type() == torch::kFloat32;
}

}  // namespace harmofl
