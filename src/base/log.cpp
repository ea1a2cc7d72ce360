// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
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
  if (state().rank == 0) write_line(printable(message, "\n"));
}

void warn_once(const std::string& message) {
  const std::lock_guard lock(state().mutex);
  if (state().warned.insert(message).second)
    write_line("warning" + origin(state()) + ": " + printable(message));
}

void error(const std::string& message) {
  const std::lock_guard lock(state().mutex);
  write_line("error: " + printable(message));
}

void answer(const std::string& text) {
  const std::string shown = printable(text, "\n");
  const bool written = std::fwrite(shown.data(), 1, shown.size(), stdout) == shown.size() &&
                       std::fflush(stdout) == 0;
  HARMOFL_VALIDATE(written, "standard output cannot be written (", std::strerror(errno),
                   "). Free space where it goes, or send it elsewhere.");
}

void keep_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const bool closed = fcntl(stream, F_GETFD) < 0 && errno == EBADF;
    // Gets the lowest free number, which is this one; read-only, so that writing is an error.
    if (closed) static_cast<void>(open("/dev/null", O_RDONLY));
  }
}

void progress(const std::string& line) {
  static const bool terminal = isatty(STDERR_FILENO) != 0;
  const std::lock_guard lock(state().mutex);
  if (!terminal || state().rank != 0) return;
  std::fprintf(stderr, "\r\033[K%s", printable(line).c_str());
  std::fflush(stderr);
  state().progress_shown = true;
}

void clear_progress() {
  const std::lock_guard lock(state().mutex);
  erase_progress(state());
}

}  // namespace harmofl::log
