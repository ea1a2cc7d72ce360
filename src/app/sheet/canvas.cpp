// SPDX-License-Identifier: Apache-2.0
#include "app/sheet/canvas.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

namespace harmofl {
namespace {

/// A letter of 3 x 5 pixels: a digit a row, of which 4 is the left pixel, 2 the middle, 1 the
/// right.
struct Glyph {
  char letter;
  std::string_view rows;
};

constexpr std::array<Glyph, 47> glyphs{{
    {'0', "75557"}, {'1', "26227"}, {'2', "71747"}, {'3', "71717"}, {'4', "55711"}, {'5', "74717"},
    {'6', "74757"}, {'7', "71111"}, {'8', "75757"}, {'9', "75717"}, {'A', "25755"}, {'B', "65656"},
    {'C', "34443"}, {'D', "65556"}, {'E', "74647"}, {'F', "74644"}, {'G', "34553"}, {'H', "55755"},
    {'I', "72227"}, {'J', "11152"}, {'K', "55655"}, {'L', "44447"}, {'M', "57755"}, {'N', "65555"},
    {'O', "25552"}, {'P', "65644"}, {'Q', "25563"}, {'R', "65655"}, {'S', "34216"}, {'T', "72222"},
    {'U', "55557"}, {'V', "55552"}, {'W', "55775"}, {'X', "55255"}, {'Y', "55222"}, {'Z', "71247"},
    {'.', "00002"}, {',', "00024"}, {'-', "00700"}, {'_', "00007"}, {':', "02020"}, {'/', "11244"},
    {'%', "51245"}, {'(', "12221"}, {')', "42224"}, {'?', "71202"}, {' ', "00000"},
}};
constexpr std::int64_t dot = 2;  ///< Pixels of the picture for one of a letter.

std::string_view rows_of(char letter) {
  const char wanted = static_cast<char>(std::toupper(static_cast<unsigned char>(letter)));
  const auto found = std::ranges::find(glyphs, wanted, &Glyph::letter);
  return found == glyphs.end() ? rows_of('?') : found->rows;
}

}  // namespace

Canvas::Canvas(std::int64_t width, std::int64_t height)
    : width_(width), height_(height), pixels_(static_cast<std::size_t>(3 * width * height)) {}

void Canvas::set(std::int64_t x, std::int64_t y, Colour colour) {
  if (x < 0 || y < 0 || x >= width_ || y >= height_) return;
  const auto at = static_cast<std::size_t>(3 * (y * width_ + x));
  pixels_[at] = colour.red;
  pixels_[at + 1] = colour.green;
  pixels_[at + 2] = colour.blue;
}

void Canvas::fill(std::int64_t x, std::int64_t y, std::int64_t width, std::int64_t height,
                  Colour colour) {
  for (std::int64_t row = y; row < y + height; ++row) {
    for (std::int64_t column = x; column < x + width; ++column) set(column, row, colour);
  }
}

void Canvas::write(std::int64_t x, std::int64_t y, const std::string& text, Colour colour) {
  for (const char letter : text) {
    std::int64_t top = y;
    for (const char row : rows_of(letter)) {
      for (int column = 0; column < 3; ++column) {
        if ((row - '0') & (4 >> column)) fill(x + dot * column, top, dot, dot, colour);
      }
      top += dot;
    }
    x += letter_width;
  }
}

}  // namespace harmofl
