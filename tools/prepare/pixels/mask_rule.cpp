// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/mask_rule.hpp"

#include <algorithm>

namespace harmofl::prepare {

std::size_t MaskRule::class_count() const {
  int top = 1;
  for (const auto& [value, number] : classes) top = std::max(top, number);
  return static_cast<std::size_t>(top) + 1;
}

}  // namespace harmofl::prepare
