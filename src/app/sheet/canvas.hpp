// SPDX-License-Identifier: Apache-2.0
/// A picture to draw on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

struct Colour {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;
};

/// Pixels of 8-bit colours, black at first. What lies outside is not drawn.
class Canvas {
 public:
  /// Height of a line of `text`, in pixels, and width of a letter with the gap behind it.
  static constexpr std::int64_t line_height = 14;
  static constexpr std::int64_t letter_width = 8;

  Canvas(std::int64_t width, std::int64_t height);

  void set(std::int64_t x, std::int64_t y, Colour colour);
  void fill(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height, Colour colour);
  /// Capital letters, digits and a few signs; '?' for all others.
  void write(std::int64_t x, std::int64_t y, const std::string& text, Colour colour);

  std::int64_t width() const { return width_; }
  std::int64_t height() const { return height_; }
  const std::vector<std::uint8_t>& pixels() const { return pixels_; }  ///< [height, width, 3].

 private:
  std::int64_t width_, height_;
  std::vector<std::uint8_t> pixels_;
};

}  // namespace harmofl
