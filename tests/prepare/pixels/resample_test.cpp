// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/resample.hpp"

#include <gmock/gmock.h>

namespace {

using namespace harmofl::prepare;
using testing::Each;
using testing::ElementsAre;

TEST(Resample, averages_whole_pixels) {
  const Image image{1, {2, 4}, {1, 2, 10, 20, 3, 6, 30, 40}};
  EXPECT_THAT(resample(image, {1, 2}).values, ElementsAre(3, 25));
}

TEST(Resample, weighs_pixels_by_the_area_that_is_covered) {
  const Image image{1, {1, 3}, {0, 90, 240}};
  // (0 + 90 / 2) / 1.5 = 30 and (90 / 2 + 240) / 1.5 = 190
  EXPECT_THAT(resample(image, {1, 2}).values, ElementsAre(30, 190));
}

TEST(Resample, rounds_halves_up) {
  EXPECT_THAT(resample({1, {1, 2}, {1, 2}}, {1, 1}).values, ElementsAre(2));
  EXPECT_THAT(resample({1, {2, 2}, {1, 1, 1, 2}}, {1, 1}).values, ElementsAre(1));
}

TEST(Resample, keeps_one_colour_at_any_size) {
  const Image image{3, {7, 5}, std::vector<std::uint8_t>(105, 255)};
  for (const Size size : {Size{3, 2}, Size{7, 5}, Size{16, 9}}) {
    const Image result = resample(image, size);
    EXPECT_EQ(result.values.size(), static_cast<std::size_t>(3 * size.height * size.width));
    EXPECT_THAT(result.values, Each(255));
  }
}

TEST(ResampleMask, is_foreground_from_half_the_area_on) {
  EXPECT_THAT(resample_mask({1, {1, 4}, {1, 0, 0, 0}}, {1, 2}).values, ElementsAre(1, 0));
  EXPECT_THAT(resample_mask({1, {2, 2}, {1, 0, 0, 0}}, {1, 1}).values, ElementsAre(0));
}

TEST(TileStarts, shifts_the_last_tile_inwards) {
  EXPECT_THAT(tile_starts(256, 128), ElementsAre(0, 128));
  EXPECT_THAT(tile_starts(320, 128), ElementsAre(0, 128, 192));
  EXPECT_THAT(tile_starts(128, 128), ElementsAre(0));
}

TEST(Crop, copies_a_part_of_every_channel) {
  const Image image{2, {2, 3}, {1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16}};
  EXPECT_THAT(crop(image, 0, 1, {2, 2}).values, ElementsAre(2, 3, 5, 6, 12, 13, 15, 16));
}

}  // namespace
