// SPDX-License-Identifier: Apache-2.0
#include "base/process/interrupt.hpp"

#include <atomic>
#include <csignal>
#include <unistd.h>

namespace harmofl {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "set from a signal handler");

void on_signal(int signal) {
  if (requested.exchange(true) && signal == SIGINT) _exit(128 + SIGINT);
}

/// True for a signal that whoever started this process asked it to ignore, as nohup does.
bool is_ignored(int signal) {
  struct sigaction present = {};
  return sigaction(signal, nullptr, &present) == 0 && present.sa_handler == SIG_IGN;
}

}  // namespace

void install_interrupt_handlers() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
  if (!is_ignored(SIGHUP)) sigaction(SIGHUP, &action, nullptr);
}

void let_writes_fail() {
  for (const int signal : {SIGXFSZ, SIGPIPE}) std::signal(signal, SIG_IGN);
}

bool interrupt_requested() noexcept { return requested.load(); }

}  // namespace harmofl
