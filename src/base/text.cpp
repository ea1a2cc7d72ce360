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
