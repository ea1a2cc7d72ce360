// SPDX-License-Identifier: Apache-2.0
#include "comm/watchdog.hpp"

#include "base/timer.hpp"
#include "harmofl/base/error.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <limits>
#include <optional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace harmofl {
namespace {

using namespace std::chrono_literals;

void hang(const std::string& what) {
  Watchdog watchdog(0.05, Rank{3});
  watchdog.kick(what, "in round 2");
  std::this_thread::sleep_for(20s);
}

TEST(WatchdogDeathTest, ends_a_process_that_hangs_and_says_what_it_did) {
  EXPECT_EXIT(hang("training client 7"),
              testing::ExitedWithCode(static_cast<int>(ExitCode::rank_failure)),
              "rank 3 has reported nothing for 0.05 s; it was doing: training client 7 in round 2. "
              ".* raise comm.timeout");
}

/// Stops itself, as a batch system that suspends a job stops it, and works on for a moment.
[[noreturn]] void be_suspended() {
  {
    Watchdog watchdog(2.0, Rank{0});
    watchdog.kick("working");
    raise(SIGSTOP);
    std::this_thread::sleep_for(100ms);
  }
  _exit(7);
}

TEST(Watchdog, counts_no_time_in_which_the_process_stood_still) {
  const pid_t child = fork();
  if (child == 0) be_suspended();
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, WUNTRACED), child);
  ASSERT_TRUE(WIFSTOPPED(status));
  std::this_thread::sleep_for(3s);
  kill(child, SIGCONT);
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7) << "ended as a hang";
}

TEST(Watchdog, leaves_a_process_alone_that_makes_progress) {
  Watchdog watchdog(2.0, Rank{0});
  const Stopwatch watch;
  while (watch.elapsed_s() < 6.0) {  // silences that together are longer than the limit
    watchdog.kick("working");
    std::this_thread::sleep_for(150ms);
  }
}

TEST(Watchdog, ends_at_once_when_it_is_no_longer_needed) {
  const Stopwatch watch;
  { const Watchdog watchdog(600.0, Rank{0}); }
  EXPECT_LT(watch.elapsed_s(), 10.0);
}

TEST(Watchdog, waits_as_long_as_it_is_told_to_and_no_clock_can_count) {
  for (const double timeout_s : {1e10, 1e300, std::numeric_limits<double>::infinity()}) {
    Watchdog watchdog(timeout_s, Rank{0});
    watchdog.kick("working");
    std::this_thread::sleep_for(20ms);
  }
}

TEST(Watchdog, lets_work_that_it_has_not_seen_take_its_time) {
  Watchdog watchdog(std::nullopt, Rank{0});
  watchdog.kick("working", "in round 0");
  std::this_thread::sleep_for(20ms);
  watchdog.kick("summing", "in round 0", Work::together);
}

TEST(Watchdog, is_off_with_a_timeout_of_zero) {
  Watchdog watchdog(0.0, Rank{0});
  watchdog.kick("anything");
  std::this_thread::sleep_for(20ms);
}

}  // namespace
}  // namespace harmofl
