// SPDX-License-Identifier: Apache-2.0
/// What lines of a terminal are made of: texts of a width, bars, curves.
#pragma once

#include "app/commands/watch/screen.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

enum class Tone { plain, dim, bold, good, bad };

/// A line that grows, and stops growing at the edge of the screen.
class ScreenLine {
 public:
  explicit ScreenLine(const Screen& screen) : screen_(screen) {}

  /// Adds `text`, shown as `printable` shows it, as far as there is room.
  ScreenLine& add(const std::string& text, Tone tone = Tone::plain);
  /// The same in a column of `width`, at its left or its right end; cut off where it is too long.
  ScreenLine& left(const std::string& text, std::int64_t width, Tone tone = Tone::plain);
  ScreenLine& right(const std::string& text, std::int64_t width, Tone tone = Tone::plain);

  std::int64_t room() const { return screen_.width - used_; }
  /// The line with its end.
  std::string text() const { return text_ + "\n"; }

 private:
  const Screen& screen_;
  std::int64_t used_ = 0;
  std::string text_;
};

/// Number of columns of a text in UTF-8: of its characters.
std::int64_t columns_of(const std::string& text);

/// `width` columns, filled from the left by a share from 0 to 1.
std::string bar(double share, std::int64_t width, const Screen& screen);

/// The last `width` of `values`, each as a block as high as it lies between the lowest and the
/// highest of these; '?' for NaN, a blank for none.
std::string curve(const std::vector<std::optional<double>>& values, std::int64_t width,
                  const Screen& screen);

/// A measure in four places; "nan" where it is not finite, "-" where there is none.
std::string value_text(const std::optional<double>& value);

}  // namespace harmofl
