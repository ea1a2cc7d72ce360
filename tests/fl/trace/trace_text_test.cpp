// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/trace_text.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

using nlohmann::json;

/// The events of lines that follow another.
std::vector<json> trace_events(const std::string& lines) {
  return json::parse("[0" + lines + "]").get<std::vector<json>>();
}

TraceTrack lane_track(std::vector<TraceEvent> events, std::int64_t dropped = 0) {
  return {"lane 1", 2, std::move(events), dropped};
}

const std::string client_range = "train client", pass_range = "first pass";

TEST(TraceText, is_a_complete_event_with_microseconds_since_time_0) {
  const std::string north = "north";
  const TraceTrack track = lane_track({{.begin_ns = 5'000'001'234,
                                        .end_ns = 5'002'000'000,
                                        .name = &client_range,
                                        .key = "client",
                                        .text = &north}});
  const auto events = trace_events(track_lines(track, Rank{1}, 5'000'000'000));
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[1], (json{{"name", "train client"},
                             {"ph", "X"},
                             {"ts", 1.234},
                             {"dur", 1998.766},
                             {"pid", 2},
                             {"tid", 2},
                             {"args", {{"client", "north"}}}}));
}

TEST(TraceText, writes_every_nanosecond) {
  for (const std::int64_t ns : {0L, 1L, 999L, 1000L, 1001L, 123'456'789'012'345L}) {
    const std::string lines = track_lines(
        lane_track({{.begin_ns = ns, .end_ns = ns + 7, .name = &pass_range}}), Rank{0}, 0);
    const json event = trace_events(lines)[1];
    EXPECT_EQ(std::llround(event["ts"].get<double>() * 1000.0), ns);
    EXPECT_EQ(event["dur"], 0.007);
    EXPECT_FALSE(event.contains("args"));
  }
}

TEST(TraceText, is_json_whatever_a_client_is_called) {
  const std::string odd = "a\"b\\c\n\x01\xff\xc3\xa9";
  const auto events = trace_events(track_lines(
      lane_track({{.name = &client_range, .key = "client", .text = &odd}}), Rank{0}, 0));
  EXPECT_EQ(events[1]["args"]["client"], "a\"b\\c\n\x01\xef\xbf\xbd\xc3\xa9");
}

TEST(TraceText, has_numbers_as_numbers) {
  const auto events = trace_events(track_lines(
      lane_track({{.name = &client_range, .key = "bytes", .number = 4096}}), Rank{0}, 0));
  EXPECT_EQ(events[1]["args"]["bytes"], 4096);
}

TEST(TraceText, has_the_outer_of_two_ranges_first) {
  const std::string outer = "outer", inner = "inner";
  const TraceTrack track = lane_track({{.begin_ns = 10, .end_ns = 20, .name = &inner},
                                       {.begin_ns = 10, .end_ns = 20, .name = &outer},
                                       {.begin_ns = 5, .end_ns = 9, .name = &pass_range},
                                       {.begin_ns = 5, .end_ns = 30, .name = &client_range}});
  std::vector<std::string> names;
  for (const json& event : trace_events(track_lines(track, Rank{0}, 0))) {
    if (event.is_object()) names.push_back(event["name"]);
  }
  EXPECT_THAT(names, testing::ElementsAre("train client", "first pass", "outer", "inner"));
}

TEST(TraceText, says_how_much_was_dropped) {
  const auto events = trace_events(track_lines(
      lane_track({{.begin_ns = 10'000, .end_ns = 20'000, .name = &pass_range}}, 42), Rank{0}, 0));
  EXPECT_EQ(events.at(2)["name"], "dropped");
  EXPECT_EQ(events.at(2)["ph"], "i");
  EXPECT_EQ(events.at(2)["ts"], 20.0);
  EXPECT_EQ(events.at(2)["args"]["ranges"], 42);
}

TEST(TraceText, names_ranks_and_their_threads) {
  const auto rank = trace_events(name_rank(Rank{3}, "n07"));
  EXPECT_EQ(rank.at(1)["name"], "process_name");
  EXPECT_EQ(rank.at(1)["ph"], "M");
  EXPECT_EQ(rank.at(1)["pid"], 4);
  EXPECT_EQ(rank.at(1)["args"]["name"], "rank 3 (n07)");
  EXPECT_EQ(rank.at(2)["args"]["sort_index"], 3);
  const auto track = trace_events(name_track(lane_track({}), Rank{3}));
  EXPECT_EQ(track.at(1)["name"], "thread_name");
  EXPECT_EQ(track.at(1)["tid"], 2);
  EXPECT_EQ(track.at(1)["args"]["name"], "lane 1");
}

}  // namespace
}  // namespace harmofl
