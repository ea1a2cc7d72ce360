// SPDX-License-Identifier: Apache-2.0
#include "comm/watchdog.hpp"

#include "base/timer.hpp"
#include "harmofl/base/error.hpp"

#include <gmock/gmock.h>

#include <chrono>
#include <thread>

namespace harmofl {
namespace {

using namespace std::chrono_literals;

void hang(const std::string& activity) {
  Watchdog watchdog(0.05, Rank{3});
  watchdog.kick(activity);
  std::this_thread::sleep_for(20s);
}

TEST(WatchdogDeathTest, ends_a_process_that_hangs_and_says_what_it_did) {
  EXPECT_EXIT(hang("training client 7"),
              testing::ExitedWithCode(static_cast<int>(ExitCode::rank_failure)),
              "rank 3 has reported nothing for 0.05 s; it was doing: training client 7");
}

TEST(Watchdog, leaves_a_process_alone_that_makes_progress) {
  Watchdog watchdog(2.0, Rank{0});
  const Stopwatch watch;
  while (watch.elapsed_s() < 3.0) {
    watchdog.kick("working");
    std::this_thread::sleep_for(50ms);
  }
}

TEST(Watchdog, ends_at_once_when_it_is_no_longer_needed) {
  const Stopwatch watch;
  { const Watchdog watchdog(600.0, Rank{0}); }
  EXPECT_LT(watch.elapsed_s(), 10.0);
}

TEST(Watchdog, is_off_with_a_timeout_of_zero) {
  Watchdog watchdog(0.0, Rank{0});
  watchdog.kick("anything");
  std::this_thread::sleep_for(20ms);
}

}  // namespace
}  // namespace harmofl
