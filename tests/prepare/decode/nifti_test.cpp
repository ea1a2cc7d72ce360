// SPDX-License-Identifier: Apache-2.0
// What nibabel writes is read in tests/end_to_end/prepare_sets_test.py.
#include "prepare/decode/nifti.hpp"

#include "prepare/pixels/volume_slices.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using testing::ElementsAre;
using testing::HasSubstr;

/// Turned by `angle` (radians) around the axis from bottom to top, voxels of 2x3x4 mm.
Affine turned_by(double angle) {
  const double c = std::cos(angle), s = std::sin(angle);
  return {{{2 * c, -3 * s, 0, 0}, {2 * s, 3 * c, 0, 0}, {0, 0, 4, 0}}};
}

TEST(Orientation, is_that_of_the_nearest_axes) {
  const auto at = [](double degrees) {
    return orientation_of(turned_by(degrees * std::numbers::pi / 180.0), "x.nii");
  };
  for (const double degrees : {-44.0, 0.0, 30.0, 44.0}) {
    EXPECT_EQ(at(degrees), (Orientation{{0, 1, 2}, {false, false, false}})) << degrees;
  }
  for (const double degrees : {46.0, 90.0, 134.0}) {
    EXPECT_EQ(at(degrees), (Orientation{{1, 0, 2}, {true, false, false}})) << degrees;
  }
  EXPECT_EQ(at(180.0), (Orientation{{0, 1, 2}, {true, true, false}}));
}

TEST(Orientation, does_not_depend_on_the_size_of_voxels) {
  const Affine flat{{{0.1, 0, 0, 0}, {0, 0, -50, 0}, {0, 3, 0, 0}}};
  EXPECT_EQ(orientation_of(flat, "x.nii"), (Orientation{{0, 2, 1}, {false, true, false}}));
  EXPECT_THAT(voxel_sizes(flat), ElementsAre(0.1, 3.0, 50.0));
  const Affine plane{{{1, 1, 0, 0}, {1, 1, 0, 0}, {0, 0, 1, 0}}};
  EXPECT_THAT(test::user_error_of([&] { orientation_of(plane, "x.nii"); }),
              HasSubstr("x.nii: its three directions lie in a plane"));
}

TEST(ToRas, moves_values_and_keeps_where_they_are) {
  // i to the back, j to the right, k to the bottom.
  Volume volume{
      .size = {2, 3, 2}, .values = {}, .affine = {{{0, 2, 0, 5}, {-1, 0, 0, 6}, {0, 0, -3, 7}}}};
  for (int n = 0; n < 12; ++n) volume.values.push_back(n);
  const Volume turned = to_ras(volume, "x.nii");
  EXPECT_THAT(turned.size, ElementsAre(3, 2, 2));
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 2; ++j) {
      for (std::int64_t k = 0; k < 2; ++k) {
        EXPECT_EQ(turned.at(i, j, k), volume.at(1 - j, i, 1 - k));
      }
    }
  }
  EXPECT_EQ(turned.affine, (Affine{{{2, 0, 0, 5}, {0, 1, 0, 5}, {0, 0, 3, 4}}}));
}

TEST(Percentile, lies_between_two_values_as_numpys_does) {
  std::vector<double> values;
  for (int i = 0; i < 11; ++i) values.push_back(10.0 - i);
  EXPECT_EQ(percentile_99(values), 9.9);  // numpy.percentile(numpy.arange(11), 99)
  EXPECT_EQ(percentile_99({3.0}), 3.0);
  EXPECT_EQ(percentile_99({4.0, 2.0}), 3.98);  // numpy.percentile([4, 2], 99)
  values.assign(101, 1.0);
  values[7] = 8.0;
  EXPECT_EQ(percentile_99(values), 1.0);
}

TEST(ToBytes, rounds_towards_0_and_cuts_off_above) {
  Volume volume{.size = {201, 1, 1}, .values = {}, .affine = {}};
  for (int n = 0; n <= 200; ++n) volume.values.push_back(n);
  const auto bytes = to_bytes(volume, "x.nii");  // the 99th percentile is 198
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[1], 1);      // 1.288
  EXPECT_EQ(bytes[197], 253);  // 253.7
  EXPECT_EQ(bytes[198], 255);
  EXPECT_EQ(bytes[200], 255);
  volume.values.assign(201, 4.0);
  volume.values[0] = 9.0;
  EXPECT_THAT(test::user_error_of([&] { to_bytes(volume, "x.nii"); }),
              HasSubstr("x.nii: 99 % of its values are equal (4)"));
}

TEST(ThreeSlices, are_seen_from_below_and_repeat_the_first_and_the_last) {
  // 2 to the right, 1 to the front, 3 to the top; columns run from right to left.
  const ByteVolume volume{{2, 1, 3}, {0, 1, 10, 11, 20, 21}};
  EXPECT_THAT(slice_of(volume, 1).values, ElementsAre(11, 10));
  EXPECT_THAT(three_slices(volume, 0).values, ElementsAre(1, 0, 1, 0, 11, 10));
  EXPECT_THAT(three_slices(volume, 1).values, ElementsAre(1, 0, 11, 10, 21, 20));
  EXPECT_THAT(three_slices(volume, 2).values, ElementsAre(11, 10, 21, 20, 21, 20));
  const ByteVolume flat{{2, 1, 1}, {0, 1}};
  EXPECT_THAT(three_slices(flat, 0).values, ElementsAre(1, 0, 1, 0, 1, 0));
}

}  // namespace
