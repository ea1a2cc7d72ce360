// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <cstdio>
#include <mutex>
#include <set>
#include <unistd.h>

namespace harmofl::log {
namespace {

struct State {
  std::mutex mutex;
  int rank = 0;
  int size = 1;
  bool progress_shown = false;
  std::set<std::string> warned;
};

State& state() {
  static State instance;
  return instance;
}

void erase_progress(State& s) {
  if (s.progress_shown) std::fputs("\r\033[K", stderr);
  s.progress_shown = false;
}

void write_line(const std::string& line) {
  erase_progress(state());
  const std::string whole = line + "\n";
  std::fwrite(whole.data(), 1, whole.size(), stderr);
  std::fflush(stderr);
}

std::string origin(const State& s) {
  return s.size > 1 ? " (rank " + std::to_string(s.rank) + ")" : std::string();
}

}  // namespace

void set_rank(int rank, int size) {
  state().rank = rank;
  state().size = size;
}

void info(const std::string& message) {
  const std::lock_guard lock(state().mutex);
  if (state().rank == 0) write_line(message);
}

void warn_once(const std::string& message) {
  const std::lock_guard lock(state().mutex);
  if (state().warned.insert(message).second)
    write_line("warning" + origin(state()) + ": " + message);
}

void error(const std::string& message) {
  const std::lock_guard lock(state().mutex);
  write_line("error: " + message);
}

void progress(const std::string& line) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  const std::lock_guard lock(state().mutex);
  if (!terminal || state().rank != 0) return;
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
  state().progress_shown = true;
}

void clear_progress() {
  const std::lock_guard lock(state().mutex);
  erase_progress(state());
}

}  // namespace harmofl::log
