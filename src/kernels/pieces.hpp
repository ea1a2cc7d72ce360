// SPDX-License-Identifier: Apache-2.0
/// How passes over rows are cut up: the same way for any number of threads.
#pragma once

#include "kernels/lanes.hpp"
#include "kernels/norm/channel_norm.hpp"

#include <ATen/Parallel.h>

#include <algorithm>

namespace harmofl::kernels {

inline constexpr std::int64_t rows_a_piece = 128;         ///< Summed in float32.
inline constexpr std::int64_t elements_a_task = 1 << 18;  ///< What one thread sums at least.
inline constexpr std::int64_t rows_a_tile = 32;           ///< Treated before the next channels.
inline constexpr std::int64_t elements_a_thread =
    1 << 15;  ///< Elements that a thread is worth waking for.

/// Calls `kernel` for all of `rows`, in tiles that stay in the cache. What the kernel takes for a
/// row is `pixels` rows of channels.
template <class Kernel>
void for_rows(const Kernel& kernel, std::int64_t rows, std::int64_t channels,
              std::int64_t pixels = 1) {
  const std::int64_t tile = std::max<std::int64_t>(1, rows_a_tile / pixels);
  const std::int64_t grain = std::max(tile, elements_a_thread / channels / pixels);
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; r += tile) {
      sweep(kernel, channels, r, std::min(end, r + tile));
    }
  });
}

/// The sums that `kernel` adds to its `first` and `second` over all of `rows`, as in for_rows.
template <class Kernel>
ChannelSums sum_rows(const Kernel& kernel, std::int64_t rows, std::int64_t channels,
                     std::int64_t pixels = 1) {
  const std::int64_t piece = std::max<std::int64_t>(1, rows_a_piece / pixels);
  const std::int64_t pieces_a_task = elements_a_task / channels / (piece * pixels);
  const std::int64_t task = std::max<std::int64_t>(1, pieces_a_task) * piece;
  const std::int64_t tasks = (rows + task - 1) / task;
  std::vector<ChannelSums> sums(static_cast<std::size_t>(tasks), ChannelSums(channels));
  at::parallel_for(0, tasks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      Kernel own = kernel;
      own.first = sums[static_cast<std::size_t>(t)].first.data();
      own.second = sums[static_cast<std::size_t>(t)].second.data();
      const std::int64_t last = std::min(rows, (t + 1) * task);
      for (std::int64_t r = t * task; r < last; r += piece) {
        sweep(own, channels, r, std::min(last, r + piece));
      }
    }
  });
  ChannelSums total = std::move(sums.front());
  for (std::size_t t = 1; t < sums.size(); ++t) {
    for (std::size_t c = 0; c < total.first.size(); ++c) {
      total.first[c] += sums[t].first[c];
      total.second[c] += sums[t].second[c];
    }
  }
  return total;
}

/// Adds the lanes of `v`, float32, to `to`.
template <int N>
HARMOFL_SIMD_INLINE void add_lanes(double* to, const Floats<N>& v) {
  float lanes[N];
  std::memcpy(lanes, &v, sizeof v);
  for (int i = 0; i < N; ++i) to[i] += static_cast<double>(lanes[i]);
}

}  // namespace harmofl::kernels
