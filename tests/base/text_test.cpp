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
