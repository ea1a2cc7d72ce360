// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/mask.hpp"

#include "prepare/pixels/resample.hpp"
#include "prepare/png_files.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

namespace {

using namespace harmofl::prepare;
using harmofl::test::error_of;
using harmofl::test::write_png;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

class Mask : public testing::Test {
 protected:
  std::vector<std::uint8_t> read(const std::vector<std::uint8_t>& values, const MaskRule& rule = {},
                                 int channels = 1) {
    const int width = static_cast<int>(values.size()) / channels;
    write_png(folder_ / "m.png", 1, width, channels, values);
    return read_mask(folder_ / "m.png", rule).values;
  }
  std::string error(const std::vector<std::uint8_t>& values, const MaskRule& rule = {},
                    int channels = 1) {
    return error_of([&] { read(values, rule, channels); });
  }

  harmofl::test::TempFolder folder_;
};

TEST_F(Mask, takes_two_values_without_a_rule) {
  EXPECT_THAT(read({0, 255, 0}), ElementsAre(0, 1, 0));
  EXPECT_THAT(read({0, 1, 1}), ElementsAre(0, 1, 1));
  EXPECT_THAT(read({255, 255}), ElementsAre(1, 1));
  EXPECT_THAT(error({0, 128, 255}),
              AllOf(HasSubstr("m.png: this mask holds 0, 128, 255"), HasSubstr("--mask-values")));
  EXPECT_THAT(error({0, 1, 255}), HasSubstr("holds 0, 1, 255"));
  EXPECT_THAT(error({0, 128}), HasSubstr("holds 0, 128"));
}

TEST_F(Mask, takes_classes_by_a_table_or_from_a_value_on) {
  const MaskRule table{.threshold = {}, .classes = {{"0", 0}, {"255", 1}, {"128", 2}}};
  EXPECT_EQ(table.class_count(), 3u);
  EXPECT_THAT(read({0, 128, 255}, table), ElementsAre(0, 2, 1));
  EXPECT_THAT(error({0, 7}, table), HasSubstr("--mask-values does not name 7"));
  EXPECT_THAT(read({0, 99, 100, 255}, {.threshold = 100}), ElementsAre(0, 0, 1, 1));
  const MaskRule named{.threshold = {}, .classes = {{"0", 0}, {"Epithelial", 1}}};
  EXPECT_THAT(error({0, 255}, named), HasSubstr("'Epithelial' is not a value of a mask image"));
}

TEST_F(Mask, takes_equal_colours_and_refuses_others_and_transparency) {
  EXPECT_THAT(read({0, 0, 0, 255, 255, 255}, {}, 3), ElementsAre(0, 1));
  EXPECT_THAT(error({255, 255, 0}, {}, 3), HasSubstr("this one has colours"));
  EXPECT_THAT(read({255, 255, 255, 255}, {}, 4), ElementsAre(1));
  EXPECT_THAT(error({255, 255, 255, 254}, {}, 4), HasSubstr("pixel of opacity 254 of 255"));
}

TEST_F(Mask, takes_every_number_of_an_instance_for_foreground) {
  const MaskRule rule{.threshold = {}, .classes = {}, .instances = true};
  EXPECT_THAT(read({0, 7, 255, 3}, rule), ElementsAre(0, 1, 1, 1));
  EXPECT_THAT(read_mask_numbers(folder_ / "m.png", rule), ElementsAre(0, 7, 255, 3));
}

TEST(ResampleMask, takes_the_class_of_most_area_and_of_equals_the_largest) {
  EXPECT_THAT(resample_mask({1, {1, 3}, {2, 1, 1}}, {1, 1}).values, ElementsAre(1));
  EXPECT_THAT(resample_mask({1, {1, 4}, {0, 3, 5, 5}}, {1, 2}).values, ElementsAre(3, 5));
  // new pixels of 1.5 old ones: 2 covers 1 and 1 a half; then 1 a half and 0 one
  EXPECT_THAT(resample_mask({1, {1, 3}, {2, 1, 0}}, {1, 2}).values, ElementsAre(2, 0));
  EXPECT_THAT(resample_mask({1, {1, 2}, {9, 4}}, {2, 4}).values,
              ElementsAre(9, 9, 4, 4, 9, 9, 4, 4));
}

}  // namespace
