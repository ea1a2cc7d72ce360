// SPDX-License-Identifier: Apache-2.0
// Files byte by byte; those of other programs are read in tests/end_to_end/image_formats_test.py.
#include "prepare/decode/formats.hpp"
#include "prepare/pixels/image.hpp"
#include "prepare/png_files.hpp"
#include "support/memory.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace {

using namespace harmofl::prepare;
using harmofl::test::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Little-endian bytes of a file.
class Bytes {
 public:
  Bytes& u8(unsigned value) {
    bytes_ += static_cast<char>(value);
    return *this;
  }
  Bytes& u16(unsigned value) { return u8(value & 255U).u8(value >> 8U); }
  Bytes& u32(std::uint32_t value) { return u16(value & 0xFFFFU).u16(value >> 16U); }
  Bytes& text(const std::string& more) {
    bytes_ += more;
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  std::string bytes_;
};

/// A BMP with a header of 40 bytes.
std::string bmp(std::int32_t width, std::int32_t height, unsigned bits, const std::string& palette,
                const std::string& pixels, std::uint32_t compression = 0) {
  const auto colours = static_cast<std::uint32_t>(palette.size() / 4);
  Bytes file;
  file.text("BM").u32(0).u32(0).u32(static_cast<std::uint32_t>(54 + palette.size()));
  file.u32(40).u32(static_cast<std::uint32_t>(width)).u32(static_cast<std::uint32_t>(height));
  file.u16(1).u16(bits).u32(compression).u32(0).u32(0).u32(0).u32(colours).u32(0);
  return file.text(palette).text(pixels).str();
}

/// One tag of a TIFF with one number.
struct Tag {
  unsigned code;
  std::uint32_t value;
};

/// A little-endian TIFF whose pixels, if any, stand from byte 8 on.
std::string tiff(const std::vector<Tag>& tags, const std::string& pixels) {
  Bytes file;
  file.text("II").u16(42).u32(static_cast<std::uint32_t>(8 + pixels.size())).text(pixels);
  file.u16(static_cast<unsigned>(tags.size()));
  for (const Tag& tag : tags) file.u16(tag.code).u16(4).u32(1).u32(tag.value);
  return file.u32(0).str();
}

/// The tags of a grey 8-bit image in one strip.
std::vector<Tag> plain_tags(std::uint32_t width, std::uint32_t height) {
  return {{256, width}, {257, height}, {258, 8},      {259, 1},
          {262, 1},     {273, 8},      {278, height}, {279, width * height}};
}

class Decode : public testing::Test {
 protected:
  std::filesystem::path file(const std::string& name, const std::string& content) {
    std::ofstream(folder_ / name, std::ios::binary) << content;
    return folder_ / name;
  }
  std::string error(const std::string& name, const std::string& content) {
    const auto path = file(name, content);
    return error_of([&] { decode(path); });
  }

  harmofl::test::TempFolder folder_;
};

TEST_F(Decode, reads_bmp_from_the_bottom_up_and_from_the_top_down) {
  const std::string rows{"\1\2\0\0\3\4\0\0", 8};
  std::string palette;
  for (char grey = 0; grey < 5; ++grey) palette += std::string(3, grey) + '\0';
  EXPECT_THAT(decode(file("a.bmp", bmp(2, 2, 8, palette, rows))).bytes, ElementsAre(3, 4, 1, 2));
  EXPECT_THAT(decode(file("a.bmp", bmp(2, -2, 8, palette, rows))).bytes, ElementsAre(1, 2, 3, 4));
  const std::string two{"\xB0\0\0\0", 4};  // 1 0 1 1
  EXPECT_THAT(decode(file("a.bmp", bmp(4, 1, 1, palette.substr(0, 8), two))).bytes,
              ElementsAre(1, 0, 1, 1));
  const std::string colour{"\1\2\3\0", 4};  // blue, green, red
  EXPECT_THAT(decode(file("a.bmp", bmp(1, 1, 24, "", colour))).bytes, ElementsAre(3, 2, 1));
  EXPECT_THAT(decode(file("a.bmp", bmp(1, 1, 32, "", colour))).bytes, ElementsAre(3, 2, 1));
}

TEST_F(Decode, refuses_bmp_that_lies_or_is_not_read) {
  EXPECT_THAT(error("a.bmp", bmp(2, 2, 8, std::string(8, 0), std::string(8, 2))),
              HasSubstr("it uses colour 2 of a palette of 2"));
  EXPECT_THAT(error("a.bmp", bmp(2, 2, 24, "", std::string(15, 0))),
              HasSubstr("it ends at byte 69, before what it claims"));
  EXPECT_THAT(error("a.bmp", bmp(1000, 1000, 24, "", "")), HasSubstr("before what it claims"));
  EXPECT_THAT(error("a.bmp", bmp(0, 2, 24, "", "")), HasSubstr("has 2x0 pixels"));
  EXPECT_THAT(error("a.bmp", bmp(-5, 2, 24, "", "")), HasSubstr("has 2x-5 pixels"));
  EXPECT_THAT(error("a.bmp", bmp(2, 2, 8, "", "", 1)), HasSubstr("compression or masks of kind 1"));
  EXPECT_THAT(error("a.bmp", bmp(2, 2, 16, "", "")), HasSubstr("16 bits a pixel"));
  EXPECT_THAT(error("a.bmp", bmp(2, 1, 32, "", std::string("\1\1\1\0\1\1\1\1", 8))),
              HasSubstr("a fourth channel that it does not name"));
  EXPECT_THAT(error("a.bmp", "BM"), HasSubstr("a.bmp: cannot be read as BMP"));
}

TEST_F(Decode, reads_plain_tiff) {
  const Raster raster = decode(file("a.tif", tiff(plain_tags(3, 2), "abcdef")));
  EXPECT_EQ(raster.size, (Size{2, 3}));
  EXPECT_THAT(raster.bytes, ElementsAre('a', 'b', 'c', 'd', 'e', 'f'));
}

TEST_F(Decode, refuses_tiff_that_lies_before_it_takes_memory) {
  const auto claims = [&](std::uint32_t width, std::uint32_t height) {
    return error("a.tif", tiff(plain_tags(width, height), "abcdef"));
  };
  std::vector<std::string> errors;
  const std::int64_t growth = harmofl::test::memory_growth(
      [&] { errors = {claims(30000, 30000), claims(40000, 1), claims(400, 200), claims(0, 2)}; });
  EXPECT_THAT(errors[0], HasSubstr("has 30000x30000 pixels; expected at most"));
  EXPECT_THAT(errors[1], HasSubstr("expected 1 to 32768 rows and columns"));
  EXPECT_THAT(errors[2], HasSubstr("claims 200x400 pixels, more than its"));
  EXPECT_THAT(errors[3], HasSubstr("a.tif"));
  EXPECT_LT(growth, 64 * harmofl::test::mebibyte);
}

TEST_F(Decode, names_kinds_of_tiff_that_are_not_read) {
  const auto with = [&](unsigned code, std::uint32_t value) {
    std::vector<Tag> tags = plain_tags(3, 2);
    const auto place = std::ranges::find_if(tags, [&](const Tag& tag) { return tag.code >= code; });
    if (place != tags.end() && place->code == code) {
      place->value = value;
    } else {
      tags.insert(place, {code, value});
    }
    return error("a.tif", tiff(tags, "abcdef"));
  };
  EXPECT_THAT(with(258, 12), HasSubstr("1 samples of 12 bits a pixel"));
  EXPECT_THAT(with(259, 50000), HasSubstr("compression of kind 50000"));
  EXPECT_THAT(with(262, 5), HasSubstr("colours of kind 5"));
  EXPECT_THAT(with(262, 2), HasSubstr("1 samples a pixel"));
  EXPECT_THAT(with(274, 3), HasSubstr("orientation 3"));
  EXPECT_THAT(with(339, 2), HasSubstr("samples that are signed"));
}

TEST_F(Decode, tells_a_format_by_its_content) {
  harmofl::test::write_png(folder_ / "x.png", 1, 1, 1, {7});
  std::filesystem::rename(folder_ / "x.png", folder_ / "x.tif");
  EXPECT_THAT(error_of([&] { decode(folder_ / "x.tif"); }),
              HasSubstr("x.tif: has the name of a TIFF file, but holds PNG. Rename it."));
  std::filesystem::rename(folder_ / "x.tif", folder_ / "x");
  EXPECT_THAT(decode(folder_ / "x").bytes, ElementsAre(7));
  EXPECT_THAT(error("text", "no image"),
              HasSubstr("is not an image that can be read; known are BMP"));
  EXPECT_EQ(kind_of_name("a.TIFF"), NameKind::image);
  EXPECT_EQ(kind_of_name("a.Gif"), NameKind::unread_image);
  EXPECT_EQ(kind_of_name("a.csv"), NameKind::other);
}

TEST_F(Decode, refuses_jpeg_that_is_cut_off_at_once) {
  EXPECT_THAT(error("a.jpg", "\xff\xd8\xff"), HasSubstr("a.jpg: cannot be read as JPEG"));
}

}  // namespace
