// SPDX-License-Identifier: Apache-2.0
#include "io/formats/base64.hpp"

#include <cstddef>
#include <cstdint>

namespace harmofl {

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t begin = 0; begin < bytes.size(); begin += 3) {
    const std::string_view group = bytes.substr(begin, 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      bits = bits << 8 | (i < group.size() ? static_cast<std::uint8_t>(group[i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint32_t digit = bits >> (18 - 6 * i) & 63U;
      text += i <= group.size() ? digits[digit] : '=';
    }
  }
  return text;
}

}  // namespace harmofl
