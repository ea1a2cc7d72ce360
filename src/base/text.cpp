// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <numeric>

namespace harmofl {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

/// What a text begins with.
struct Character {
  std::size_t length = 0;  ///< Bytes; 0 where the text does not begin with a character of UTF-8.
  char32_t code = 0;
};

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {1, lead};
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC0 || lead >= 0xF8 || text.size() < length) return {};
  char32_t code = lead & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xC0) != 0x80) return {};
    code = code << 6 | (byte & 0x3FU);
  }
  constexpr std::array<char32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};  // less is a longer form
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  if (code < least[length] || code > 0x10FFFF || surrogate) return {};
  return {length, code};
}

bool within(char32_t code, char32_t first, char32_t last) { return code >= first && code <= last; }

/// Whether a terminal shows the character, and neither obeys it nor lets it turn what it stands in.
bool is_shown(char32_t code) {
  const bool control = code < 0x20 || within(code, 0x7F, 0x9F);
  const bool line_end = within(code, 0x2028, 0x2029);
  const bool direction = code == 0x61C || within(code, 0x200E, 0x200F) ||
                         within(code, 0x202A, 0x202E) || within(code, 0x2066, 0x2069);
  return !control && !line_end && !direction;
}

std::string escaped(char byte) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  if (byte == '\n') return "\\n";
  if (byte == '\r') return "\\r";
  if (byte == '\t') return "\\t";
  const auto value = static_cast<unsigned char>(byte);
  return {'\\', 'x', digits[value / 16], digits[value % 16]};
}

template <class... Numbers>
std::string print(const char* format, Numbers... numbers) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), format, numbers...);
  return buffer.data();
}

}  // namespace

std::string join(const std::vector<std::string>& items, std::string_view separator) {
  std::string joined;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) joined += separator;
    joined += items[i];
  }
  return joined;
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const Character next = first_character(text);
    if (next.length == 0 || !is_shown(next.code)) return false;
    text.remove_prefix(next.length);
  }
  return true;
}

std::string printable(std::string_view text, std::string_view kept) {
  std::string shown;
  while (!text.empty()) {
    const Character next = first_character(text);
    const bool as_it_is = next.length > 0 && (is_shown(next.code) ||
                                              kept.find(text.front()) != std::string_view::npos);
    shown += as_it_is ? std::string(text.substr(0, next.length)) : escaped(text.front());
    text.remove_prefix(as_it_is ? next.length : 1);
  }
  return shown;
}

std::string closest(std::string_view name, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : known) {
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string suggestion(std::string_view name, const std::vector<std::string>& known) {
  const std::string near = closest(name, known);
  return near.empty() ? "" : " Did you mean '" + near + "'?";
}

std::string unknown(const std::string& what, std::string_view name,
                    const std::vector<std::string>& known) {
  return concat(what, " is unknown.", suggestion(name, known), " Known: ", join(known), ".");
}

std::string human_bytes(double size_bytes) {
  static constexpr std::array<const char*, 5> units{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (size_bytes >= 1024.0 && unit + 1 < units.size()) {
    size_bytes /= 1024.0;
    ++unit;
  }
  return print(unit == 0 ? "%.0f %s" : "%.1f %s", size_bytes, units[unit]);
}

std::string human_seconds(double duration_s) {
  // The bounds are where the printed digits would round up to the next unit.
  if (duration_s < 0.9995) return print("%.0f ms", duration_s * 1000.0);
  if (duration_s < 59.95) return print("%.1f s", duration_s);
  const auto whole = std::lround(duration_s);
  if (whole < 3600) return print("%ld min %02ld s", whole / 60, whole % 60);
  return print("%ld h %02ld min", whole / 3600, whole % 3600 / 60);
}

std::string fixed(double value, int digits) { return print("%.*f", digits, value); }

}  // namespace harmofl
