// SPDX-License-Identifier: Apache-2.0
#include "base/trace_recorder.hpp"

#include "base/timer.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace harmofl {
namespace {

using testing::ElementsAre;

std::vector<std::string> range_names(const TraceTrack& track) {
  std::vector<std::string> names;
  for (const TraceEvent& event : track.events) names.push_back(*event.name);
  return names;
}

/// The tracks' names, in their order.
std::vector<std::string> track_names(const std::vector<TraceTrack>& taken) {
  std::vector<std::string> names;
  for (const TraceTrack& track : taken) names.push_back(track.name);
  return names;
}

void in_thread(ThreadRole role, const char* range) {
  std::thread([&] {
    set_thread_role(role);
    const Range work(range);
  }).join();
}

TEST(TraceRecorder, tells_ranges_as_they_end_each_within_the_one_around_it) {
  TraceRecorder recorder;
  const std::int64_t before = steady_ns();
  {
    const Range round("round", {"round", 3});
    { const Range client("train client", {"client", "north"}); }
    { const Range wait("wait"); }
  }
  const std::int64_t after = steady_ns();
  const std::vector<TraceTrack> taken = recorder.take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(taken[0].name, "main");
  EXPECT_EQ(taken[0].number, 1);
  ASSERT_THAT(range_names(taken[0]), ElementsAre("train client", "wait", "round"));
  const TraceEvent& client = taken[0].events[0];
  const TraceEvent& wait = taken[0].events[1];
  const TraceEvent& round = taken[0].events[2];
  EXPECT_STREQ(client.key, "client");
  EXPECT_EQ(*client.text, "north");
  EXPECT_EQ(wait.key, nullptr);
  EXPECT_STREQ(round.key, "round");
  EXPECT_EQ(round.text, nullptr);
  EXPECT_EQ(round.number, 3);
  EXPECT_LE(before, round.begin_ns);
  EXPECT_LE(round.begin_ns, client.begin_ns);
  EXPECT_LE(client.begin_ns, client.end_ns);
  EXPECT_LE(client.end_ns, wait.begin_ns);
  EXPECT_LE(wait.end_ns, round.end_ns);
  EXPECT_LE(round.end_ns, after);
}

TEST(TraceRecorder, tells_what_is_open_when_it_has_ended) {
  TraceRecorder recorder;
  {
    const Range round("round");
    { const Range part("part"); }
    EXPECT_THAT(range_names(recorder.take().at(0)), ElementsAre("part"));
  }
  EXPECT_THAT(range_names(recorder.take().at(0)), ElementsAre("round"));
  EXPECT_TRUE(recorder.take().empty());
}

TEST(TraceRecorder, has_a_track_a_lane_and_one_for_those_who_come_after_each_other) {
  TraceRecorder recorder;
  for (int pass = 0; pass < 3; ++pass) in_thread({"reader"}, "read");
  in_thread({"lane", 2}, "second");
  in_thread({"lane", 1}, "first");
  { const Range own("own"); }
  const std::vector<TraceTrack> taken = recorder.take();
  ASSERT_THAT(track_names(taken), ElementsAre("main", "lane 1", "lane 2", "reader 1"));
  EXPECT_EQ(taken[1].number, 2);
  EXPECT_EQ(taken[2].number, 3);
  EXPECT_THAT(range_names(taken[3]), ElementsAre("read", "read", "read"));
}

TEST(TraceRecorder, has_tracks_for_all_who_work_at_the_same_time) {
  constexpr int threads = 4, ranges = 1000;
  TraceRecorder recorder;
  std::vector<std::thread> all;
  std::atomic<int> ready = 0;
  for (int i = 0; i < threads; ++i) {
    all.emplace_back([&] {
      set_thread_role({"reader"});
      { const Range first("first"); }
      for (++ready; ready < threads;) std::this_thread::yield();
      for (int k = 1; k < ranges; ++k) {
        const Range range("further", {"k", k});
      }
    });
  }
  std::int64_t seen = 0;
  for (std::thread& thread : all) thread.join();
  const std::vector<TraceTrack> taken = recorder.take();
  EXPECT_THAT(track_names(taken), ElementsAre("reader 1", "reader 2", "reader 3", "reader 4"));
  for (const TraceTrack& track : taken) seen += std::ssize(track.events);
  EXPECT_EQ(seen, threads * ranges);
}

TEST(TraceRecorder, drops_the_innermost_first_and_counts_them) {
  TraceRecorder recorder(5);
  {
    const Range round("round");
    for (int client = 0; client < 3; ++client) {
      const Range range("client");
      for (int step = 0; step < 4; ++step) {
        const Range pass("pass");
      }
    }
  }
  const std::vector<TraceTrack> taken = recorder.take();
  ASSERT_EQ(taken.size(), 1U);
  EXPECT_EQ(std::ranges::count(range_names(taken[0]), "client"), 3);
  EXPECT_EQ(std::ranges::count(range_names(taken[0]), "round"), 1);
  EXPECT_EQ(std::ssize(taken[0].events) + taken[0].dropped, 3 * 4 + 3 + 1);
  EXPECT_GT(taken[0].dropped, 0);
  { const Range more("room again"); }
  EXPECT_THAT(range_names(recorder.take().at(0)), ElementsAre("room again"));
}

TEST(TraceRecorder, holds_no_more_than_twice_its_capacity) {
  TraceRecorder recorder(4);
  for (int i = 0; i < 100; ++i) {
    const Range outer("outer");
    const Range inner("inner");
  }
  const std::vector<TraceTrack> taken = recorder.take();
  EXPECT_EQ(std::ssize(taken.at(0).events), 8);
  EXPECT_EQ(taken[0].dropped, 192);
}

TEST(TraceRecorder, tells_nothing_of_what_began_before_it_or_ends_after_it) {
  const Range before("before");
  std::optional<Range> across;
  {
    TraceRecorder recorder;
    across.emplace("across");
    { const Range within("within"); }
    EXPECT_THAT(range_names(recorder.take().at(0)), ElementsAre("within"));
  }
  TraceRecorder next;
  across.reset();
  { const Range other("other"); }
  EXPECT_THAT(range_names(next.take().at(0)), ElementsAre("other"));
}

TEST(TraceRecorder, records_the_timed_phases_as_long_as_they_are_timed) {
  TraceRecorder recorder;
  PhaseTimes times;
  {
    const auto timed = times.measure("aggregate");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const TraceEvent event = recorder.take().at(0).events.at(0);
  EXPECT_EQ(*event.name, "aggregate");
  const double recorded_s = static_cast<double>(event.end_ns - event.begin_ns) / 1e9;
  EXPECT_GE(recorded_s, times.seconds().at("aggregate"));
}

}  // namespace
}  // namespace harmofl
