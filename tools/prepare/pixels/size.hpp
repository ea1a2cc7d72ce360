// SPDX-License-Identifier: Apache-2.0
/// Sizes of images.
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace harmofl::prepare {

/// A number of rows and columns.
struct Size {
  std::int64_t height = 0;
  std::int64_t width = 0;

  auto operator<=>(const Size&) const = default;
};

/// Writes a size as "128x96", rows first.
std::string to_string(Size size);

/// Parses "128x96" (rows first) or "128". Throws UsageError, naming `option`, for anything else.
Size parse_size(const std::string& option, const std::string& text);

}  // namespace harmofl::prepare
