// SPDX-License-Identifier: Apache-2.0
/// Tensors that are used in turn, so that none is found in the cache.
#pragma once

#include <torch/types.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace harmofl::bench {

/// More than the last cache of the processors at hand.
inline constexpr std::int64_t beyond_caches_bytes = std::int64_t{192} << 20;

/// Pairs of inputs and outputs that together are larger than the caches; with `cached` a single
/// one.
struct Ring {
  Ring(const torch::Tensor& like, bool cached) {
    const auto bytes = 2 * static_cast<std::int64_t>(like.nbytes());
    const std::int64_t count = cached ? 1 : std::max<std::int64_t>(2, beyond_caches_bytes / bytes);
    for (std::int64_t i = 0; i < count; ++i) {
      in.push_back(like.clone());
      out.push_back(torch::zeros_like(like));
    }
  }

  std::size_t next() { return position = (position + 1) % in.size(); }

  std::vector<torch::Tensor> in, out;
  std::size_t position = 0;
};

}  // namespace harmofl::bench
