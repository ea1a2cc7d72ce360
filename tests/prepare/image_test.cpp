// SPDX-License-Identifier: Apache-2.0
#include "prepare/image.hpp"

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

TEST(ReadPng, gives_planes_of_colour) {
  const TempFolder folder;
  write_png(folder / "x.png", 1, 2, 3, {10, 20, 30, 40, 50, 60});
  EXPECT_THAT(read_png(folder / "x.png", false).values, ElementsAre(10, 40, 20, 50, 30, 60));
  // 0.299 r + 0.587 g + 0.114 b
  EXPECT_THAT(read_png(folder / "x.png", true).values, ElementsAre(18, 48));
}

TEST(ReadPng, repeats_grey_and_lays_transparency_over_black) {
  const TempFolder folder;
  write_png(folder / "grey.png", 1, 1, 1, {77});
  EXPECT_THAT(read_png(folder / "grey.png", false).values, ElementsAre(77, 77, 77));
  EXPECT_THAT(read_png(folder / "grey.png", true).values, ElementsAre(77));
  write_png(folder / "rgba.png", 1, 1, 4, {200, 100, 0, 51});  // opacity 0.2
  EXPECT_THAT(read_png(folder / "rgba.png", false).values, ElementsAre(40, 20, 0));
}

TEST(ReadPng, names_files_that_cannot_be_read) {
  const TempFolder folder;
  std::ofstream(folder / "text.png") << "not an image at all";
  EXPECT_THAT(error_of([&] { read_png(folder / "text.png", false); }),
              AllOf(HasSubstr("text.png: cannot be read as PNG"), HasSubstr("Not a PNG file")));
  write_png(folder / "cut.png", 8, 8, 3, std::vector<std::uint8_t>(192, 9));
  std::filesystem::resize_file(folder / "cut.png", 60);
  EXPECT_THAT(error_of([&] { read_png(folder / "cut.png", false); }), HasSubstr("cut.png: cannot"));
  EXPECT_THAT(error_of([&] { read_png(folder / "absent.png", false); }),
              HasSubstr("absent.png: cannot be opened"));
}

TEST(ReadPng, asks_for_no_memory_that_a_file_cannot_fill) {
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
      memory_growth([&] { error = error_of([&] { read_png(folder / "tiny.png", false); }); });
  EXPECT_THAT(error, AllOf(HasSubstr("tiny.png"), HasSubstr("32768x32768"), HasSubstr("intact")));
  EXPECT_LT(growth, 64 * mebibyte);
}

TEST(ReadMask, takes_two_values_only) {
  const TempFolder folder;
  write_png(folder / "a.png", 1, 3, 1, {0, 255, 0});
  EXPECT_THAT(read_mask(folder / "a.png").values, ElementsAre(0, 1, 0));
  write_png(folder / "b.png", 1, 3, 1, {0, 1, 1});
  EXPECT_THAT(read_mask(folder / "b.png").values, ElementsAre(0, 1, 1));
  write_png(folder / "c.png", 1, 3, 1, {0, 128, 255});
  EXPECT_THAT(error_of([&] { read_mask(folder / "c.png"); }),
              AllOf(HasSubstr("c.png"), HasSubstr("holds 128")));
  write_png(folder / "d.png", 1, 1, 3, {0, 0, 0});
  EXPECT_THAT(error_of([&] { read_mask(folder / "d.png"); }), HasSubstr("must be a grey PNG"));
}

}  // namespace
