// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/polygon.hpp"

#include <gmock/gmock.h>

#include <random>
#include <string>

namespace {

using namespace harmofl::prepare;

constexpr std::int64_t unit = subpixels;

/// The filled pixels as text, one line a row.
std::string filled(const std::vector<Corner>& corners, Size size) {
  std::vector<std::string> rows(static_cast<std::size_t>(size.height),
                                std::string(static_cast<std::size_t>(size.width), '.'));
  fill_polygon(corners, size, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
    for (std::int64_t x = begin; x < end; ++x) {
      rows.at(static_cast<std::size_t>(row)).at(static_cast<std::size_t>(x)) = '#';
    }
  });
  std::string text;
  for (const std::string& row : rows) text += row + "\n";
  return text;
}

/// Even-odd by counting the edges that a ray to the right of the point crosses, point by point.
bool inside(const std::vector<Corner>& corners, std::int64_t x, std::int64_t y) {
  bool odd = false;
  for (std::size_t i = 0; i < corners.size(); ++i) {
    const Corner& a = corners[i];
    const Corner& b = corners[(i + 1) % corners.size()];
    if ((a.y <= y) == (b.y <= y)) continue;
    const __int128 cross =
        static_cast<__int128>(b.x - a.x) * (y - a.y) - static_cast<__int128>(x - a.x) * (b.y - a.y);
    if (b.y > a.y ? cross > 0 : cross < 0) odd = !odd;  // the edge lies right of the point
  }
  return odd;
}

std::string filled_point_by_point(const std::vector<Corner>& corners, Size size) {
  std::string text;
  for (std::int64_t row = 0; row < size.height; ++row) {
    for (std::int64_t column = 0; column < size.width; ++column) {
      text += inside(corners, column * unit + unit / 2, row * unit + unit / 2) ? '#' : '.';
    }
    text += '\n';
  }
  return text;
}

TEST(FillPolygon, takes_pixels_by_their_centres) {
  // from 0.5 to 2.5: the centre 0.5 is in, the centre 2.5 is not
  const std::vector<Corner> square{{512, 512}, {2560, 512}, {2560, 2560}, {512, 2560}};
  EXPECT_EQ(filled(square, {4, 4}), "##..\n##..\n....\n....\n");
  const std::vector<Corner> triangle{{0, 0}, {4 * unit, 0}, {0, 4 * unit}};
  EXPECT_EQ(filled(triangle, {4, 4}), "###.\n##..\n#...\n....\n");
}

TEST(FillPolygon, leaves_out_what_is_crossed_twice) {
  const std::vector<Corner> twice{{0, 0},       {3072, 0},    {3072, 3072}, {0, 3072},
                                  {0, 0},       {1024, 1024}, {2048, 1024}, {2048, 2048},
                                  {1024, 2048}, {1024, 1024}};
  EXPECT_EQ(filled(twice, {3, 3}), "###\n#.#\n###\n");
}

TEST(FillPolygon, holds_nothing_of_less_than_three_corners_or_outside) {
  EXPECT_EQ(filled({}, {1, 2}), "..\n");
  EXPECT_EQ(filled({{512, 512}}, {1, 2}), "..\n");
  EXPECT_EQ(filled({{0, 0}, {2048, 1024}}, {1, 2}), "..\n");
  EXPECT_EQ(filled({{-9000, -9000}, {-1, -9000}, {-1, -1}}, {2, 2}), "..\n..\n");
  const std::int64_t far = max_coordinate * unit;
  EXPECT_EQ(filled({{-far, -far}, {far, -far}, {far, far}, {-far, far}}, {2, 2}), "##\n##\n");
}

TEST(FillPolygon, agrees_with_each_point_taken_alone) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    // Also beyond the image, and half of them on centres and borders of pixels, where ties are.
    std::uniform_int_distribution<std::int64_t> place(-4 * unit, 20 * unit);
    std::vector<Corner> corners(3 + random() % 9);
    for (Corner& corner : corners) {
      corner = {place(random), place(random)};
      if (random() % 2 == 0) corner = {corner.x / 512 * 512, corner.y / 512 * 512};
    }
    const Size size{16, 13};
    ASSERT_EQ(filled(corners, size), filled_point_by_point(corners, size)) << "round " << round;
  }
}

TEST(FillPolygon, shares_no_pixel_between_neighbours_and_leaves_none_out) {
  std::mt19937 random(8);
  std::uniform_int_distribution<std::int64_t> place(0, 12 * unit);
  for (int round = 0; round < 50; ++round) {
    const Corner middle{place(random) / 512 * 512, place(random) / 512 * 512};
    const std::int64_t side = 12 * unit;
    const std::vector<Corner> ring{{0, 0}, {side, 0}, {side, side}, {0, side}};
    std::vector<int> times(144, 0);
    for (std::size_t i = 0; i < 4; ++i) {
      fill_polygon({ring[i], ring[(i + 1) % 4], middle}, {12, 12},
                   [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
                     for (std::int64_t x = begin; x < end; ++x) {
                       ++times[static_cast<std::size_t>(row * 12 + x)];
                     }
                   });
    }
    EXPECT_THAT(times, testing::Each(1));
  }
}

TEST(FillSteps, count_rows_of_edges_and_the_box) {
  const std::vector<Corner> square{{0, 0}, {2048, 0}, {2048, 3072}, {0, 3072}};
  EXPECT_EQ(fill_steps(square, {10, 10}), 2 * 3 + 2 * (3 + 1));
  EXPECT_EQ(fill_steps(square, {1, 1}), 1 + 2 * (1 + 1));
  EXPECT_EQ(fill_steps({}, {10, 10}), 0);
}

}  // namespace
