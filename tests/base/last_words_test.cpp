// SPDX-License-Identifier: Apache-2.0
// What a process says when a signal ends it.
#include "base/process/last_words.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace harmofl {
namespace {

void crash(const std::string& activity, int signal) {
  install_last_words(3);
  set_activity("something earlier");
  set_activity(activity);
  raise(signal);
}

class LastWords : public testing::Test {
 protected:
  void SetUp() override {
#ifdef __SANITIZE_ADDRESS__
    GTEST_SKIP() << "the address sanitizer takes these signals and reports them itself";
#endif
  }
};

TEST_F(LastWords, name_rank_and_activity_and_leave_the_signal_to_end_the_process) {
  for (const int signal : {SIGSEGV, SIGFPE, SIGABRT}) {
    EXPECT_EXIT(crash("training client north", signal), testing::KilledBySignal(signal),
                "error: rank 3: ended by a signal while training client north\\.");
  }
}

TEST_F(LastWords, cut_an_activity_that_is_too_long) {
  EXPECT_EXIT(crash(std::string(10'000, 'x'), SIGSEGV), testing::KilledBySignal(SIGSEGV), "xxxx");
}

}  // namespace
}  // namespace harmofl
