// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/clock_offset.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace harmofl {
namespace {

/// A message that takes so long there and back, to a clock that is ahead by `ahead_ns`.
ClockReading clock_reading(std::int64_t there_ns, std::int64_t back_ns, std::int64_t ahead_ns) {
  constexpr std::int64_t sent_ns = 1'000'000;
  return {sent_ns, sent_ns + there_ns + ahead_ns, sent_ns + there_ns + back_ns};
}

TEST(ClockOffset, is_the_middle_of_what_the_shortest_way_allows) {
  const ClockOffset found =
      clock_offset({clock_reading(900'000, 50, 7'000'000), clock_reading(40, 60, 7'000'000),
                    clock_reading(30, 800, 7'000'000)});
  EXPECT_EQ(found.offset_ns, 6'999'990);
  EXPECT_EQ(found.within_ns, 50);
}

TEST(ClockOffset, is_never_further_off_than_it_says) {
  for (const std::int64_t ahead : {-5'000'000, -70, -10, 0, 3, 99, 100, 12'345'678}) {
    for (const std::int64_t there : {0, 1, 37, 200}) {
      for (const std::int64_t back : {0, 1, 42, 201}) {
        const ClockOffset found = clock_offset({clock_reading(there, back, ahead)});
        EXPECT_LE(std::abs(found.offset_ns - ahead), 2 * found.within_ns);
        if (found.offset_ns == 0) continue;
        EXPECT_LE(std::abs(found.offset_ns - ahead), found.within_ns);
      }
    }
  }
}

TEST(ClockOffset, is_none_where_the_clocks_may_be_one) {
  EXPECT_EQ(clock_offset({clock_reading(90, 10, 0)}).offset_ns, 0);
  EXPECT_EQ(clock_offset({clock_reading(90, 10, 0)}).within_ns, 50);
  EXPECT_EQ(clock_offset({clock_reading(50, 50, 51)}).offset_ns, 51);
}

}  // namespace
}  // namespace harmofl
