// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/trace_file.hpp"

#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace harmofl {
namespace {

using test::user_error_of;

const std::string trace_head =
    "[\n{\"args\":{\"unix_us\":1700000000000000},\"name\":\"part of the "
    "run\",\"ph\":\"i\",\"ts\":0}\n";
const std::string round_line = ",{\"name\":\"round\",\"ph\":\"X\",\"ts\":10.500,\"dur\":100.25}\n";

class TraceFile : public testing::Test {
 protected:
  TraceEnd end_of(const std::string& text) const {
    std::ofstream(path()) << text;
    return find_trace_end(path());
  }
  std::string refused(const std::string& text) const {
    return user_error_of([&] { end_of(text); });
  }
  std::filesystem::path path() const { return folder_ / "trace.json"; }

 private:
  test::TempFolder folder_;
};

TEST_F(TraceFile, ends_with_its_last_event) {
  const TraceEnd end = end_of(trace_head + round_line + "]\n");
  EXPECT_EQ(end.unix_us, 1700000000000000);
  EXPECT_EQ(end.last_us, 111);
  EXPECT_EQ(end.bytes, std::ssize(trace_head + round_line));
}

TEST_F(TraceFile, of_a_killed_run_ends_with_its_last_whole_line) {
  for (const std::string cut : {"", ",", ",{\"name\":\"ro", ",{\"ts\":99999,\"dur\":1}", "]"}) {
    const TraceEnd end = end_of(trace_head + round_line + cut);
    EXPECT_EQ(end.bytes, std::ssize(trace_head + round_line)) << cut;
    EXPECT_EQ(end.last_us, 111) << cut;
  }
}

TEST_F(TraceFile, has_the_latest_time_of_all_events_not_that_of_the_last) {
  const std::string late = ",{\"name\":\"x\",\"ph\":\"X\",\"ts\":7000,\"dur\":1}\n";
  EXPECT_EQ(end_of(trace_head + late + round_line).last_us, 7001);
  const std::string text = ",{\"name\":\"a \\\"ts\\\":9e9 b\",\"ph\":\"M\"}\n";
  EXPECT_EQ(end_of(trace_head + text + round_line).last_us, 111);
}

TEST_F(TraceFile, of_someone_else_is_refused) {
  const std::string place = path().string();
  EXPECT_THAT(refused(""), testing::StartsWith(place + ": is not a trace"));
  EXPECT_THAT(refused("[\n"), testing::StartsWith(place + ": is not a trace"));
  EXPECT_THAT(refused("{\"traceEvents\":[\n"), testing::StartsWith(place + ":1: is not a line"));
  EXPECT_THAT(refused("[\n{\"name\":\"x\"}\n"), testing::StartsWith(place + ":2"));
  EXPECT_THAT(refused("[\n{\"args\":{\"unix_us\":-1}}\n"), testing::StartsWith(place + ":2"));
  EXPECT_THAT(refused(trace_head + "{}\n"), testing::StartsWith(place + ":3: is not a line"));
  EXPECT_THAT(refused(trace_head + ",{\"ts\":\"soon\"}\n"),
              testing::StartsWith(place + ":3: is not a line"));
  EXPECT_THAT(refused(trace_head + ",{\"ts\":1e300}\n"),
              testing::StartsWith(place + ":3: is not a line"));
  EXPECT_THAT(refused(trace_head + "]\n" + round_line),
              testing::StartsWith(place + ":3: is not a line"));
  EXPECT_THAT(refused(trace_head + round_line + "nonsense\n"),
              testing::HasSubstr("Move the file away"));
}

}  // namespace
}  // namespace harmofl
