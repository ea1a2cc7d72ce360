// SPDX-License-Identifier: Apache-2.0
// All ranks of a test are on one host, which has one clock.
#include "fl/trace/clock_offset.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>

namespace harmofl {
namespace {

using test::world;

TEST(ClockOffset, is_none_between_ranks_of_one_host) {
  for (int i = 0; i < 3; ++i) {
    const ClockOffset found = measure_clock_offset(world());
    EXPECT_EQ(found.offset_ns, 0);
    EXPECT_EQ(found.within_ns > 0, !world().is_root());
  }
}

}  // namespace
}  // namespace harmofl
