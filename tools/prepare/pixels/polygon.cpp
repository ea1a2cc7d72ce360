// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/polygon.hpp"

#include <algorithm>
#include <cstddef>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t half = subpixels / 2;

/// The least whole number of at least a / b, for b > 0.
std::int64_t divided_up(std::int64_t a, std::int64_t b) {
  return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/// The first pixel along an axis whose centre is at `place` or beyond.
std::int64_t first_centre(std::int64_t place) { return divided_up(place - half, subpixels); }

/// Whole pixels from `begin` to below `end` of an axis.
struct PixelRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;

  std::int64_t count() const { return std::max<std::int64_t>(0, end - begin); }
};

/// Pixels whose centres lie between two places, of those that the image has.
PixelRange centres_between(std::int64_t low, std::int64_t high, std::int64_t extent) {
  return {std::clamp<std::int64_t>(first_centre(low), 0, extent),
          std::clamp<std::int64_t>(first_centre(high), 0, extent)};
}

/// Rows and columns that a polygon can reach.
struct Box {
  PixelRange rows, columns;

  std::int64_t pixels() const { return rows.count() * columns.count(); }
};

Box box_of(const std::vector<Corner>& corners, Size size) {
  if (corners.empty()) return {};
  const auto [left, right] = std::ranges::minmax(corners, {}, &Corner::x);
  const auto [top, bottom] = std::ranges::minmax(corners, {}, &Corner::y);
  return {centres_between(top.y, bottom.y, size.height),
          centres_between(left.x, right.x, size.width)};
}

/// Calls `use(lower, upper)` for both ends of every edge, the one that is further up first.
template <class Use>
void for_each_edge(const std::vector<Corner>& corners, const Use& use) {
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Corner& a = corners[i];
    const Corner& b = corners[(i + 1) % corners.size()];
    if (a.y < b.y) use(a, b);
    if (b.y < a.y) use(b, a);
  }
}

/// The first column whose centre lies on the edge or right of it, in `row`.
std::int64_t crossing(const Corner& upper, const Corner& lower, std::int64_t row) {
  const std::int64_t height = lower.y - upper.y;
  const std::int64_t down = row * subpixels + half - upper.y;
  // x - half is this over height: at most 6e18, which int64 holds
  const std::int64_t place = (upper.x - half) * height + down * (lower.x - upper.x);
  return divided_up(place, height * subpixels);
}

}  // namespace

std::int64_t fill_steps(const std::vector<Corner>& corners, Size size) {
  std::int64_t steps = box_of(corners, size).pixels();
  for_each_edge(corners, [&](const Corner& upper, const Corner& lower) {
    steps += centres_between(upper.y, lower.y, size.height).count() + 1;
  });
  return steps;
}

void fill_polygon(
    const std::vector<Corner>& corners, Size size,
    const std::function<void(std::int64_t row, std::int64_t begin, std::int64_t end)>& paint) {
  const Box box = box_of(corners, size);
  if (box.pixels() == 0) return;
  const std::int64_t width = box.columns.count() + 1;  // one more, for edges right of the image
  std::vector<char> turns(static_cast<std::size_t>(box.rows.count() * width), 0);
  for_each_edge(corners, [&](const Corner& upper, const Corner& lower) {
    const PixelRange rows = centres_between(upper.y, lower.y, size.height);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) {
      const std::int64_t column =
          std::clamp(crossing(upper, lower, row), box.columns.begin, box.columns.end);
      turns[static_cast<std::size_t>((row - box.rows.begin) * width + column -
                                     box.columns.begin)] ^= 1;
    }
  });
  for (std::int64_t row = box.rows.begin; row < box.rows.end; ++row) {
    const char* turn = turns.data() + (row - box.rows.begin) * width;
    std::int64_t begin = -1;
    for (std::int64_t column = box.columns.begin; column < box.columns.end; ++column, ++turn) {
      if (*turn == 0) continue;
      if (begin >= 0) paint(row, begin, column);
      begin = begin >= 0 ? -1 : column;
    }
    if (begin >= 0) paint(row, begin, box.columns.end);
  }
}

}  // namespace harmofl::prepare
