// SPDX-License-Identifier: Apache-2.0
/// Names of tensors in files of others, which errors repeat.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace harmofl {

/// Ten times what the deepest of the usual networks need: a name is the path to a module.
inline constexpr std::size_t max_tensor_name_bytes = 1024;

/// What is wrong with a tensor's name, "holds control characters"; "" when nothing is.
inline std::string tensor_name_problem(std::string_view name) {
  if (name.size() > max_tensor_name_bytes) {
    return "has " + std::to_string(name.size()) + " bytes; expected at most " +
           std::to_string(max_tensor_name_bytes);
  }
  const auto is_control = [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; };
  return std::ranges::any_of(name, is_control) ? "holds control characters" : "";
}

}  // namespace harmofl
