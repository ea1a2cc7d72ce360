// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/mask.hpp"
#include "prepare/png_files.hpp"
#include "support/memory.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl::prepare;
using harmofl::test::error_of;
using harmofl::test::mebibyte;
using harmofl::test::memory_growth;
using harmofl::test::TempFolder;
using harmofl::test::write_png;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(ReadImage, gives_planes_of_colour) {
  const TempFolder folder;
  write_png(folder / "x.png", 1, 2, 3, {10, 20, 30, 40, 50, 60});
  EXPECT_THAT(read_image(folder / "x.png", false).values, ElementsAre(10, 40, 20, 50, 30, 60));
  // 0.299 r + 0.587 g + 0.114 b
  EXPECT_THAT(read_image(folder / "x.png", true).values, ElementsAre(18, 48));
}

TEST(ReadImage, repeats_grey_and_lays_transparency_over_black) {
  const TempFolder folder;
  write_png(folder / "grey.png", 1, 1, 1, {77});
  EXPECT_THAT(read_image(folder / "grey.png", false).values, ElementsAre(77, 77, 77));
  EXPECT_THAT(read_image(folder / "grey.png", true).values, ElementsAre(77));
  write_png(folder / "rgba.png", 1, 1, 4, {200, 100, 0, 51});  // opacity 0.2
  EXPECT_THAT(read_image(folder / "rgba.png", false).values, ElementsAre(40, 20, 0));
}

TEST(ReadImage, names_files_that_cannot_be_read) {
  const TempFolder folder;
  std::ofstream(folder / "text.png") << "not an image at all";
  EXPECT_THAT(error_of([&] { read_image(folder / "text.png", false); }),
              AllOf(HasSubstr("text.png: cannot be read as PNG"),
                    HasSubstr("does not begin as such a file")));
  write_png(folder / "cut.png", 8, 8, 3, std::vector<std::uint8_t>(192, 9));
  std::filesystem::resize_file(folder / "cut.png", 60);
  EXPECT_THAT(error_of([&] { read_image(folder / "cut.png", false); }),
              HasSubstr("cut.png: cannot"));
  EXPECT_THAT(error_of([&] { read_image(folder / "absent.png", false); }),
              HasSubstr("absent.png: cannot be opened"));
}

TEST(ReadImage, asks_for_no_memory_that_a_file_cannot_fill) {
  const TempFolder folder;
  write_png(folder / "tiny.png", 8, 8, 3, std::vector<std::uint8_t>(192, 9));
  std::fstream file(folder / "tiny.png", std::ios::in | std::ios::out | std::ios::binary);
  const unsigned char size[] = {0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x80, 0x00};  // 32768 x 32768
  const unsigned char checksum[] = {0x4B, 0x1E, 0x34, 0x28};  // of the chunk with it
  file.seekp(16).write(reinterpret_cast<const char*>(size), sizeof(size));
  file.seekp(29).write(reinterpret_cast<const char*>(checksum), sizeof(checksum));
  file.close();
  std::string error;
  const std::int64_t growth =
      memory_growth([&] { error = error_of([&] { read_image(folder / "tiny.png", false); }); });
  EXPECT_THAT(error, AllOf(HasSubstr("tiny.png"), HasSubstr("32768x32768"), HasSubstr("intact")));
  EXPECT_LT(growth, 64 * mebibyte);
}

TEST(ReadImage, refuses_more_pixels_than_it_was_asked_for_before_it_takes_memory) {
  const TempFolder folder;
  write_png(folder / "large.png", 4096, 4096, 3, std::vector<std::uint8_t>(3 << 24, 9));
  EXPECT_EQ(read_image(folder / "large.png", true).values.size(), 1U << 24);
  std::string error, mask_error;
  const std::int64_t growth = memory_growth([&] {
    error = error_of([&] { read_image(folder / "large.png", false, (1 << 24) - 1); });
    mask_error = error_of([&] { read_mask(folder / "large.png", {}, 1 << 20); });
  });
  EXPECT_THAT(error, AllOf(HasSubstr("large.png: has 4096x4096 pixels; expected at most 16777215"),
                           HasSubstr("--size")));
  EXPECT_THAT(mask_error, HasSubstr("expected at most 1048576"));
  EXPECT_LT(growth, 16 * mebibyte);
}

TEST(ReadImage, may_have_more_pixels_the_more_are_kept) {
  EXPECT_EQ(max_pixels_for({128, 128}), 8192 * 8192);
  EXPECT_EQ(max_pixels_for({512, 512}), 16384 * 16384);
  EXPECT_EQ(max_pixels_for({1, 1}), 8192 * 8192);
}

}  // namespace
