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
    set_range_hooks(RangeListener::nsight,
                    {.begin = [](const char* name, const RangeNote&) { heard.push_back(name); },
                     .end = [] { heard.push_back("end"); }});
  }
  void TearDown() override {
    set_range_hooks(RangeListener::nsight, {});
    set_range_hooks(RangeListener::trace, {});
  }
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
  set_range_hooks(RangeListener::nsight, {});
  { const Range nothing("nothing"); }
  EXPECT_TRUE(heard.empty());
}

TEST_F(Ranges, are_told_to_both_listeners) {
  set_range_hooks(RangeListener::trace,
                  {.begin = [](const char*, const RangeNote& note) { heard.push_back(note.key); },
                   .end = [] { heard.push_back("trace end"); }});
  { const Range client("client", {"site", "north"}); }
  EXPECT_THAT(heard, testing::ElementsAre("client", "site", "end", "trace end"));
}

TEST_F(Ranges, tell_a_listener_of_phases_too) {
  struct Phases final : PhaseListener {
    void begin_phase(const std::string& name) override { heard.push_back("phase " + name); }
    void end_phase() override { heard.push_back("phase end"); }
  } phases;
  PhaseTimes times;
  times.tell(&phases);
  { const auto timed = times.measure("save"); }
  EXPECT_THAT(heard, testing::ElementsAre("save", "phase save", "phase end", "end"));
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
