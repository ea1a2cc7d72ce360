// SPDX-License-Identifier: Apache-2.0
#include "base/process/interrupt.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sys/resource.h>
#include <unistd.h>

namespace harmofl {
namespace {

void interrupted_by(int signal) {
  install_interrupt_handlers();
  if (interrupt_requested()) std::_Exit(1);
  std::raise(signal);
  std::_Exit(interrupt_requested() ? 0 : 2);
}

void hung_up_under_nohup() {
  std::signal(SIGHUP, SIG_IGN);
  install_interrupt_handlers();
  std::raise(SIGHUP);
  std::_Exit(interrupt_requested() ? 2 : 0);
}

/// Writes two bytes to a file that may have one.
void written_beyond_the_limit() {
  const rlimit one{1, 1};
  std::FILE* file = std::tmpfile();
  if (file == nullptr || setrlimit(RLIMIT_FSIZE, &one) != 0) std::_Exit(1);
  let_writes_fail();
  const char byte = 'x';
  if (pwrite(fileno(file), &byte, 1, 0) != 1) std::_Exit(2);
  std::_Exit(pwrite(fileno(file), &byte, 1, 1) == -1 && errno == EFBIG ? 0 : 3);
}

void interrupted_twice() {
  install_interrupt_handlers();
  std::raise(SIGINT);
  std::raise(SIGINT);
  std::_Exit(1);
}

/// Writes to a pipe whose other end is closed.
void written_to_nobody() {
  int ends[2];
  if (pipe(ends) != 0 || close(ends[0]) != 0) std::_Exit(1);
  let_writes_fail();
  std::_Exit(write(ends[1], "x", 1) == -1 && errno == EPIPE ? 0 : 3);
}

TEST(InterruptDeathTest, asks_a_process_to_stop) {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1, SIGHUP}) {
    EXPECT_EXIT(interrupted_by(signal), testing::ExitedWithCode(0), "") << signal;
  }
}

TEST(InterruptDeathTest, leaves_a_process_alone_that_nohup_started) {
  EXPECT_EXIT(hung_up_under_nohup(), testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, reports_a_write_that_cannot_be_as_an_error) {
  EXPECT_EXIT(written_beyond_the_limit(), testing::ExitedWithCode(0), "");
  EXPECT_EXIT(written_to_nobody(), testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, ends_a_process_at_the_second_ctrl_c) {
  EXPECT_EXIT(interrupted_twice(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace harmofl
