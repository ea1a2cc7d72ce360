// SPDX-License-Identifier: Apache-2.0
// The file as its ranks write it together.
#include "fl/trace/run_trace.hpp"

#include "fl/trace/trace_text.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace harmofl {
namespace {

using nlohmann::json;
using test::world;

/// A run folder, on the root alone.
class TraceFolder {
 public:
  TraceFolder() {
    if (world().is_root()) folder_.emplace(temp_ / "run", false);
  }
  const RunFolder* get() const { return folder_ ? &*folder_ : nullptr; }
  std::string text() const { return test::content_of(temp_ / "run" / "trace.json"); }
  void cut_last(std::int64_t bytes) const {
    if (folder_) folder_->cut_trace(std::ssize(text()) - bytes);
  }

 private:
  test::TempFolder temp_;
  std::optional<RunFolder> folder_;
};

/// The events of a name, of rank `rank` (any rank unless given).
std::vector<json> events_called(const json& events, const std::string& name,
                                std::int64_t rank = -1) {
  std::vector<json> found;
  for (const json& event : events) {
    if (event["name"] == name && (rank < 0 || event["pid"] == rank + 1)) found.push_back(event);
  }
  return found;
}

void traced_round(RunTrace& trace, std::int64_t round) {
  { const Range range("round", {"round", round}); }
  trace.write();
}

TEST(RunTrace, is_one_array_with_the_ranges_of_all_ranks) {
  const TraceFolder folder;
  RunTrace trace(world());
  trace.open(folder.get(), RoundId{0});
  for (int round = 0; round < 3; ++round) traced_round(trace, round);
  trace.close();
  if (!world().is_root()) return;
  const json events = json::parse(folder.text());
  ASSERT_EQ(events_called(events, trace_part_name).size(), 1U);
  EXPECT_EQ(events_called(events, trace_part_name)[0]["args"]["ranks"], world().size());
  for (std::int64_t rank = 0; rank < world().size(); ++rank) {
    EXPECT_EQ(events_called(events, "round", rank).size(), 3U);
    ASSERT_EQ(events_called(events, "process_name", rank).size(), 1U);
    EXPECT_THAT(events_called(events, "process_name", rank)[0]["args"]["name"].get<std::string>(),
                testing::StartsWith("rank " + std::to_string(rank) + " ("));
    EXPECT_EQ(events_called(events, "thread_name", rank).size(), 1U);
  }
}

TEST(RunTrace, has_no_time_before_0_and_one_clock_for_all_ranks) {
  const TraceFolder folder;
  RunTrace trace(world());
  trace.open(folder.get(), RoundId{0});
  for (std::int64_t turn = 0; turn < world().size(); ++turn) {
    world().barrier();
    const Range range(turn == world().rank().value() ? "own turn" : "others' turn");
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    world().barrier();
  }
  trace.close();
  if (!world().is_root()) return;
  const json events = json::parse(folder.text());
  double last_end = 0.0;
  for (const json& event : events) {
    EXPECT_GE(event.value("ts", 0.0), 0.0);
  }
  for (std::int64_t rank = 0; rank < world().size(); ++rank) {
    const json turn = events_called(events, "own turn", rank).at(0);
    EXPECT_GE(turn["ts"].get<double>() + turn["dur"].get<double>(), last_end + 2000.0);
    last_end = turn["ts"].get<double>() + 2000.0;
  }
}

TEST(RunTrace, of_a_killed_run_goes_on_where_it_was_cut) {
  const TraceFolder folder;
  {
    RunTrace trace(world());
    trace.open(folder.get(), RoundId{0});
    traced_round(trace, 0);
  }
  folder.cut_last(9);
  const std::int64_t lost = world().is_root() ? 1 : 0;
  {
    RunTrace trace(world());
    trace.open(folder.get(), RoundId{1});
    traced_round(trace, 1);
    trace.close();
  }
  if (!world().is_root()) return;
  const json events = json::parse(folder.text());
  const auto parts = events_called(events, trace_part_name);
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1]["args"]["rounds_before"], 1);
  double first_end = 0.0;
  for (const json& event : events) {
    if (event == parts[1]) break;
    if (event.contains("dur")) {
      first_end = std::max(first_end, event["ts"].get<double>() + event["dur"].get<double>());
    }
  }
  EXPECT_GE(parts[1]["ts"].get<double>(), first_end);
  EXPECT_GE(events_called(events, "round").back()["ts"].get<double>(),
            parts[1]["ts"].get<double>());
  EXPECT_GE(std::ssize(events_called(events, "round")), 2 * world().size() - lost);
}

TEST(RunTrace, begins_anew_for_a_run_that_does) {
  const TraceFolder folder;
  for (int run = 0; run < 2; ++run) {
    RunTrace trace(world());
    trace.open(folder.get(), RoundId{0});
    traced_round(trace, run);
    trace.close();
  }
  if (!world().is_root()) return;
  const auto rounds = events_called(json::parse(folder.text()), "round", 0);
  ASSERT_EQ(rounds.size(), 1U);
  EXPECT_EQ(rounds[0]["args"]["round"], 1);
}

TEST(RunTrace, says_in_the_file_what_it_had_no_room_for) {
  const TraceFolder folder;
  RunTrace trace(world(), {.capacity = 10});
  trace.open(folder.get(), RoundId{0});
  trace.write();
  for (int i = 0; i < 50; ++i) {
    const Range range("pass");
  }
  trace.write();
  trace.close();
  if (!world().is_root()) return;
  const json events = json::parse(folder.text());
  for (std::int64_t rank = 0; rank < world().size(); ++rank) {
    const auto dropped = events_called(events, "dropped", rank);
    ASSERT_FALSE(dropped.empty());
    const std::int64_t kept = std::ssize(events_called(events, "pass", rank));
    EXPECT_LE(kept, 10);
    EXPECT_GE(kept + dropped.back()["args"]["ranges"].get<std::int64_t>(), 50);
  }
}

TEST(RunTrace, ends_with_a_note_where_the_file_is_full) {
  const TraceFolder folder;
  RunTrace trace(world(), {.most_bytes = 3000});
  trace.open(folder.get(), RoundId{0});
  for (int round = 0; round < 100; ++round) traced_round(trace, round);
  trace.close();
  if (!world().is_root()) return;
  const json events = json::parse(folder.text());
  EXPECT_EQ(events_called(events, "nothing is recorded from here on: the file is full").size(), 1U);
  EXPECT_LT(events_called(events, "round", 0).size(), 100U);
  EXPECT_GE(events_called(events, "round", 0).size(), 1U);
}

}  // namespace
}  // namespace harmofl
