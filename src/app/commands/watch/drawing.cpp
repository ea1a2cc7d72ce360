// SPDX-License-Identifier: Apache-2.0
#include "app/commands/watch/drawing.hpp"

#include "base/log.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace harmofl {
namespace {

constexpr std::array<const char*, 8> blocks{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
constexpr std::array<const char*, 8> ascii_levels{"_", ".", "-", "~", "=", "+", "*", "#"};

const char* colour_of(Tone tone) {
  switch (tone) {
    case Tone::plain:
      return "";
    case Tone::dim:
      return "\033[2m";
    case Tone::bold:
      return "\033[1m";
    case Tone::good:
      return "\033[32m";
    case Tone::bad:
      return "\033[31m";
  }
  return "";
}

std::string blanks(std::int64_t count) {
  return std::string(static_cast<std::size_t>(std::max<std::int64_t>(0, count)), ' ');
}

}  // namespace

std::int64_t columns_of(const std::string& text) {
  return std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
}

ScreenLine& ScreenLine::add(const std::string& text, Tone tone) {
  const std::string shown = log::cut(printable(text), room());
  if (shown.empty()) return *this;
  used_ += columns_of(shown);
  const bool coloured = screen_.colour && tone != Tone::plain;
  text_ += coloured ? concat(colour_of(tone), shown, "\033[0m") : shown;
  return *this;
}

ScreenLine& ScreenLine::left(const std::string& text, std::int64_t width, Tone tone) {
  const std::string shown = log::cut(printable(text), width);
  add(shown, tone);
  return add(blanks(width - columns_of(shown)));
}

ScreenLine& ScreenLine::right(const std::string& text, std::int64_t width, Tone tone) {
  const std::string shown = log::cut(printable(text), width);
  add(blanks(width - columns_of(shown)));
  return add(shown, tone);
}

std::string bar(double share, std::int64_t width, const Screen& screen) {
  const double whole = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0.0;
  const auto full = std::llround(whole * static_cast<double>(width));
  std::string text;
  for (std::int64_t i = 0; i < width; ++i) {
    if (screen.unicode) {
      text += i < full ? "█" : "░";
    } else {
      text += i < full ? '#' : '.';
    }
  }
  return text;
}

std::string curve(const std::vector<std::optional<double>>& values, std::int64_t width,
                  const Screen& screen) {
  const auto count = std::clamp<std::int64_t>(width, 0, std::ssize(values));
  const auto first = values.end() - count;
  double least = std::numeric_limits<double>::infinity(), most = -least;
  for (auto value = first; value != values.end(); ++value) {
    if (!*value || !std::isfinite(**value)) continue;
    least = std::min(least, **value);
    most = std::max(most, **value);
  }
  const auto& levels = screen.unicode ? blocks : ascii_levels;
  std::string text;
  for (auto value = first; value != values.end(); ++value) {
    if (!*value) {
      text += ' ';
    } else if (!std::isfinite(**value)) {
      text += '?';
    } else {
      const double height = most > least ? (**value - least) / (most - least) : 0.5;
      text += levels[std::min<std::size_t>(7, static_cast<std::size_t>(8.0 * height))];
    }
  }
  return text;
}

std::string value_text(const std::optional<double>& value) {
  if (!value) return "-";
  return std::isfinite(*value) ? fixed(*value, 4) : "nan";
}

}  // namespace harmofl
