// SPDX-License-Identifier: Apache-2.0
/// What the program says to a person: one line a fact, on standard error, each whole.
///
/// Results that other programs read go to files and to standard output, by `answer` alone. What
/// names of others hold that a terminal would obey is shown as `\x1B` and the like: a warning and
/// an error are one line whatever they say.
#pragma once

#include <cstdint>
#include <string>

namespace harmofl::log {

/// Sets this process's rank, so that lines of other ranks are told apart; rank 0 alone says `info`.
void set_rank(int rank, int size);

/// Says `message` on rank 0.
void info(const std::string& message);

/// Says "warning: message" on any rank, once per distinct message.
void warn_once(const std::string& message);

/// Says "error: message" on any rank; the message itself names the rank where that matters.
void error(const std::string& message);

/// Writes a result, of one line or several, to standard output. Throws UserError when that cannot
/// be written: a full disk, say.
void answer(const std::string& text);

/// Puts something that cannot be written in the place of each standard stream that is closed, so
/// that no file of the program gets its number, and with it what is meant for people.
void keep_standard_streams();

/// When the line of progress is drawn.
enum class Progress {
  automatic,  ///< Where somebody sees it.
  on,
  off,
};

/// Draws the line of progress from now on, or not: without this it is drawn where standard error is
/// a terminal. `terminal` is an open file whose width the line keeps to; where it is not a
/// terminal, lines are of 80 columns. Every rank must be told, since lines of all of them share the
/// terminal.
void show_progress(bool shown, int terminal);

/// Redraws one line of progress on a terminal; does nothing in a log file. Cut off at its width.
void progress(const std::string& line);

/// `text` without what is behind its first `columns` characters of UTF-8.
std::string cut(const std::string& text, std::int64_t columns);

/// Removes the line of progress.
void clear_progress();

}  // namespace harmofl::log
