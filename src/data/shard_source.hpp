// SPDX-License-Identifier: Apache-2.0
/// A client's samples of one split, in the shards that they lie in: `data.residence = stream`.
#pragma once

#include "harmofl/data/client_data.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// The samples `refs` of a split, to be read from `shards`, which must outlive them. All shards are
/// like `info` in what their tensors are. Reads the labels, which stay in memory, but no pixels.
Samples stream_samples(const std::vector<SampleRef>& refs, Split split, ShardPool& shards,
                       const ShardInfo& info);

}  // namespace harmofl
