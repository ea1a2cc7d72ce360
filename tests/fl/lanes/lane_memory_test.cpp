// SPDX-License-Identifier: Apache-2.0
#include "fl/lanes/lane_memory.hpp"

#include "base/process/free_memory.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t gib = std::int64_t{1} << 30;

/// A client took 3 GiB, a lane's model 1; 40 GiB are free, and nothing limits the job further.
LaneMemory plenty() {
  return {.client_bytes = 3 * gib,
          .model_bytes = gib,
          .available_bytes = 40 * gib,
          .limit_bytes = 1000 * gib,
          .held_bytes = 5 * gib,
          .neighbours = 1};
}

TEST(LanesWithMemory, take_nine_tenths_of_what_is_free) {
  EXPECT_EQ(lanes_with_memory(100, plenty()), 1 + 36 / 4);
  EXPECT_EQ(lanes_with_memory(4, plenty()), 4);
}

TEST(LanesWithMemory, leave_neighbours_their_share) {
  LaneMemory memory = plenty();
  memory.neighbours = 2;
  EXPECT_EQ(lanes_with_memory(100, memory), 1 + 18 / 4);
}

TEST(LanesWithMemory, keep_within_the_limit_of_the_job) {
  LaneMemory memory = plenty();
  memory.limit_bytes = 25 * gib;  // 20 are left
  EXPECT_EQ(lanes_with_memory(100, memory), 1 + 18 / 4);
  memory.limit_bytes = 4 * gib;
  EXPECT_EQ(lanes_with_memory(100, memory), 1);
}

TEST(LanesWithMemory, are_as_wanted_where_nothing_is_known) {
  LaneMemory memory = plenty();
  memory.available_bytes = 0;
  EXPECT_EQ(lanes_with_memory(7, memory), 7);
  memory = plenty();
  memory.client_bytes = memory.model_bytes = 0;
  EXPECT_EQ(lanes_with_memory(7, memory), 7);
}

TEST(AvailableMemory, is_what_the_system_says) {
  EXPECT_EQ(available_in("MemTotal:  9 kB\nMemFree:   3 kB\nMemAvailable:      5 kB\n"), 5 * 1024);
  EXPECT_EQ(available_in("MemTotal:  9 kB\n"), 0);
  EXPECT_EQ(available_in(""), 0);
  EXPECT_GT(available_memory_bytes(), 0);
}

TEST(HeldMemory, grows_with_what_is_written) {
  const std::int64_t before = held_memory_bytes();
  EXPECT_GT(before, 0);
  const std::vector<char> block(std::size_t{256} << 20, 'x');
  EXPECT_GT(held_memory_bytes(), before + (std::int64_t{128} << 20));
}

}  // namespace
}  // namespace harmofl
