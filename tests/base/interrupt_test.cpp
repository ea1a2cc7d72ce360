// SPDX-License-Identifier: Apache-2.0
#include "base/interrupt.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <cstdlib>

namespace harmofl {
namespace {

void interrupted_once() {
  install_interrupt_handlers();
  if (interrupt_requested()) std::_Exit(1);
  std::raise(SIGTERM);
  std::_Exit(interrupt_requested() ? 0 : 2);
}

void interrupted_twice() {
  install_interrupt_handlers();
  std::raise(SIGINT);
  std::raise(SIGINT);
  std::_Exit(1);
}

TEST(InterruptDeathTest, asks_a_process_to_stop) {
  EXPECT_EXIT(interrupted_once(), testing::ExitedWithCode(0), "");
}

TEST(InterruptDeathTest, ends_a_process_at_the_second_ctrl_c) {
  EXPECT_EXIT(interrupted_twice(), testing::ExitedWithCode(130), "");
}

}  // namespace
}  // namespace harmofl
