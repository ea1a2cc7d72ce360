// SPDX-License-Identifier: Apache-2.0
/// How many lanes there is memory for.
#pragma once

#include <cstdint>

namespace harmofl {

/// What is known when a client has been trained alone.
struct LaneMemory {
  std::int64_t client_bytes = 0;     ///< What that took, the steps' intermediate values included.
  std::int64_t model_bytes = 0;      ///< What a further lane takes for its model.
  std::int64_t available_bytes = 0;  ///< What all processes of this machine can still take.
  std::int64_t limit_bytes = 0;      ///< What the job's processes here may take in all.
  std::int64_t held_bytes = 0;       ///< What this rank holds already.
  std::int64_t neighbours = 1;       ///< Ranks of this host, this one included.
};

/// Lanes, at most `wanted`, that fit in memory: each further one takes as much as the client that
/// was trained alone, and a model. A tenth of what is free stays free; neighbours are taken to hold
/// and to want as much. At least 1; `wanted` where the system does not say what is free.
std::int64_t lanes_with_memory(std::int64_t wanted, const LaneMemory& memory);

}  // namespace harmofl
