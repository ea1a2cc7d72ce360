// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/size.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <optional>

namespace harmofl::prepare {

std::string to_string(Size size) { return concat(size.height, "x", size.width); }

Size parse_size(const std::string& option, const std::string& text) {
  const WholeRange sides{1, 65535};
  const auto side = [&](const std::string& part) {
    const std::optional<std::int64_t> number = parse_whole(part);
    if (number && sides.holds(*number)) return *number;
    throw UsageError(concat("--", option, " ", text,
                            ": expected rows x columns, such as 128x128. See harmofl-prepare "
                            "--help."));
  };
  const std::size_t cross = std::min(text.find('x'), text.size());
  if (cross == text.size()) return {side(text), side(text)};
  return {side(text.substr(0, cross)), side(text.substr(cross + 1))};
}

}  // namespace harmofl::prepare
