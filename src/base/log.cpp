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
#include <sys/ioctl.h>
#include <unistd.h>

namespace harmofl::log {
namespace {

struct State {
  std::mutex mutex;
  int rank = 0;
  int size = 1;
  bool draws_progress = isatty(STDERR_FILENO) != 0;
  int terminal = STDERR_FILENO;
  bool progress_shown = false;  ///< The terminal shows it; on rank 0.
  std::set<std::string> warned;
};

State& state() {
  static State instance;
  return instance;
}

constexpr const char* erasure = "\r\033[K";

/// In one write: where a launcher passes on what ranks say, pieces may come apart.
void write_whole(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void erase_progress(State& s) {
  if (s.progress_shown) write_whole(erasure);
  s.progress_shown = false;
}

void write_line(const std::string& line) {
  State& s = state();
  const bool behind = s.progress_shown || (s.rank > 0 && s.draws_progress);  // perhaps another's
  s.progress_shown = false;
  write_whole((behind ? erasure : "") + line + "\n");
}

std::int64_t columns_of(int terminal) {
  winsize size = {};
  const bool known = ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
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

void show_progress(bool shown, int terminal) {
  const std::lock_guard lock(state().mutex);
  erase_progress(state());
  state().draws_progress = shown;
  state().terminal = terminal;
}

// The last column stays free: some terminals go to the next line behind it.
void progress(const std::string& line) {
  const std::lock_guard lock(state().mutex);
  State& s = state();
  if (!s.draws_progress || s.rank != 0) return;
  write_whole(erasure + cut(printable(line), columns_of(s.terminal) - 1));
  s.progress_shown = true;
}

std::string cut(const std::string& text, std::int64_t columns) {
  std::size_t end = 0;
  for (; end < text.size(); ++end) {
    const bool begins = (static_cast<unsigned char>(text[end]) & 0xC0U) != 0x80U;
    if (begins && columns-- <= 0) break;
  }
  return text.substr(0, end);
}

void clear_progress() {
  const std::lock_guard lock(state().mutex);
  erase_progress(state());
}

}  // namespace harmofl::log
