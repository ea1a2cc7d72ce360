// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/text.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

TEST(Text, concat_streams_every_part) { EXPECT_EQ(concat("a ", 1, ' ', 2.5), "a 1 2.5"); }

TEST(Text, join_separates_items_even_empty_ones) {
  EXPECT_EQ(join({}), "");
  EXPECT_EQ(join({"a"}), "a");
  EXPECT_EQ(join({"a", "b"}, "/"), "a/b");
  EXPECT_EQ(join({"", "b", ""}, ","), ",b,");
}

TEST(Text, closest_finds_a_slip_of_the_fingers) {
  const std::vector<std::string> known{"fedavg", "fedprox", "harmofl"};
  EXPECT_EQ(closest("fedvag", known), "fedavg");
  EXPECT_EQ(closest("harmoFL", known), "harmofl");
  EXPECT_EQ(closest("scaffold", known), "");
  EXPECT_EQ(closest("fedavg", {}), "");
}

TEST(Text, printable_leaves_every_language_as_it_is) {
  for (const std::string text :
       {"site_0", "Kr\u00e4nke 1", "\u4e2d\u6587", "\U0001f52c", "a\\b", ""}) {
    EXPECT_TRUE(is_printable(text)) << text;
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Text, printable_shows_what_a_terminal_would_obey) {
  EXPECT_EQ(printable("a\nb\r\t\x1b[31m\x7f"), "a\\nb\\r\\t\\x1B[31m\\x7F");
  EXPECT_EQ(printable(std::string("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\xC2\x9B"
                      "1m"),
            "\\xC2\\x9B"
            "1m");                                                // a control of 8 bits
  EXPECT_EQ(printable("\u202egnp.h5"), "\\xE2\\x80\\xAEgnp.h5");  // turns the reading around
  EXPECT_EQ(printable("a\u2028b"), "a\\xE2\\x80\\xA8b");
  EXPECT_EQ(printable("two\nlines\x1b", "\n"), "two\nlines\\x1B");
}

TEST(Text, printable_shows_the_bytes_of_what_is_not_utf8) {
  const std::vector<std::pair<std::string, std::string>> wrong{
      {"Kr\xe4nke", "Kr\\xE4nke"},                   // Latin-1
      {"\xc0\xaf", "\\xC0\\xAF"},                    // '/' in a longer form
      {"\xe0\x80\xaf", "\\xE0\\x80\\xAF"},           // likewise
      {"\xed\xa0\x80", "\\xED\\xA0\\x80"},           // a surrogate
      {"\xf4\x90\x80\x80", "\\xF4\\x90\\x80\\x80"},  // beyond Unicode
      {"\xf8\x88\x80\x80\x80", "\\xF8\\x88\\x80\\x80\\x80"},
      {"a\xe2\x82", "a\\xE2\\x82"},  // ends within a character
      {"\x80", "\\x80"}};
  for (const auto& [text, shown] : wrong) {
    EXPECT_FALSE(is_printable(text)) << shown;
    EXPECT_EQ(printable(text), shown);
  }
}

TEST(Text, human_bytes_picks_the_unit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.5 KiB");
  EXPECT_EQ(human_bytes(3.0 * 1024 * 1024 * 1024), "3.0 GiB");
  EXPECT_EQ(human_bytes(1e17), "90949.5 TiB");
}

TEST(Text, human_seconds_picks_the_unit) {
  EXPECT_EQ(human_seconds(0.0123), "12 ms");
  EXPECT_EQ(human_seconds(0.9997), "1.0 s");
  EXPECT_EQ(human_seconds(2.44), "2.4 s");
  EXPECT_EQ(human_seconds(59.97), "1 min 00 s");
  EXPECT_EQ(human_seconds(185), "3 min 05 s");
  EXPECT_EQ(human_seconds(4320), "1 h 12 min");
}

TEST(Text, fixed_keeps_the_digits_asked_for) {
  EXPECT_EQ(fixed(0.5, 4), "0.5000");
  EXPECT_EQ(fixed(2.0, 0), "2");
}

}  // namespace
}  // namespace harmofl
