// SPDX-License-Identifier: Apache-2.0
#include "base/range.hpp"

#include "base/host_paths.hpp"
#include "base/timer.hpp"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace harmofl {
namespace {

std::vector<std::string> heard;

class Ranges : public testing::Test {
 protected:
  void SetUp() override {
    heard.clear();
    set_range_hooks({.begin = [](const char* name) { heard.push_back(name); },
                     .end = [] { heard.push_back("end"); }});
  }
  void TearDown() override { set_range_hooks({}); }
};

TEST_F(Ranges, nest_as_their_objects_do) {
  {
    const Range round("round");
    { const Range train("train"); }
    const Range wait("wait");
  }
  EXPECT_THAT(heard, testing::ElementsAre("round", "train", "end", "wait", "end", "end"));
}

TEST_F(Ranges, are_those_of_the_timed_phases) {
  PhaseTimes times;
  {
    const auto timed = times.measure("aggregate");
    EXPECT_THAT(heard, testing::ElementsAre("aggregate"));
  }
  EXPECT_THAT(heard, testing::ElementsAre("aggregate", "end"));
  EXPECT_TRUE(times.seconds().contains("aggregate"));
}

TEST_F(Ranges, are_told_to_nobody_without_hooks) {
  set_range_hooks({});
  { const Range nothing("nothing"); }
  EXPECT_TRUE(heard.empty());
}

TEST(HostPaths, are_left_while_gpu_paths_live) {
  EXPECT_TRUE(host_paths_in_use());
  {
    const GpuPaths outer;
    { const GpuPaths inner; }
    EXPECT_FALSE(host_paths_in_use());
  }
  EXPECT_TRUE(host_paths_in_use());
}

}  // namespace
}  // namespace harmofl
