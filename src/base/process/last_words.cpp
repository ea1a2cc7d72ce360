// SPDX-License-Identifier: Apache-2.0
// A signal handler may neither allocate nor lock: the text lies ready in two buffers of fixed size,
// of which one is whole at any moment.
#include "base/process/last_words.hpp"

#include "harmofl/base/text.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <unistd.h>

namespace harmofl {
namespace {

constexpr std::size_t longest = 512;
using Text = std::array<char, longest>;

std::array<Text, 2> texts{};
std::atomic<int> whole{0};
static_assert(std::atomic<int>::is_always_lock_free, "read in a signal handler");
int own_rank = 0;

void write_text(const char* text) {
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

void say_last_words(int signal) {
  write_text(texts[static_cast<std::size_t>(whole.load())].data());
  raise(signal);  // as it would have been: the handler is used once
}

}  // namespace

void set_activity(const std::string& activity) {
  const std::string line = concat("error: rank ", own_rank, ": ended by a signal while ", activity,
                                  ". This is a defect, or this host is short of memory.\n");
  const int next = 1 - whole.load();
  Text& text = texts[static_cast<std::size_t>(next)];
  const std::size_t length = std::min(line.size(), longest - 1);
  std::copy_n(line.data(), length, text.data());
  text[length] = '\0';
  whole.store(next);
}

void install_last_words(int rank) {
  own_rank = rank;
  set_activity("starting");
#ifndef __SANITIZE_ADDRESS__  // which reports such signals itself, and better
  struct sigaction action = {};
  action.sa_handler = say_last_words;
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    sigaction(signal, &action, nullptr);
  }
#endif
}

}  // namespace harmofl
