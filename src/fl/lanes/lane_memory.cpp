// SPDX-License-Identifier: Apache-2.0
#include "fl/lanes/lane_memory.hpp"

#include <algorithm>

namespace harmofl {

std::int64_t lanes_with_memory(std::int64_t wanted, const LaneMemory& memory) {
  if (memory.available_bytes <= 0) return wanted;
  const std::int64_t within_limit = memory.limit_bytes / memory.neighbours - memory.held_bytes;
  const std::int64_t own =
      std::min(memory.available_bytes / memory.neighbours, std::max<std::int64_t>(0, within_limit));
  const std::int64_t each = std::max<std::int64_t>(1, memory.client_bytes + memory.model_bytes);
  return std::clamp<std::int64_t>(1 + own / 10 * 9 / each, 1, wanted);
}

}  // namespace harmofl
