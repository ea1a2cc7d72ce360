// SPDX-License-Identifier: Apache-2.0
/// What the program says to a person: one line a fact, on standard error, each whole.
///
/// Results that other programs read go to files and to standard output, never here.
#pragma once

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

/// Redraws one line of progress on a terminal; does nothing in a log file.
void progress(const std::string& line);

/// Removes the line of progress.
void clear_progress();

}  // namespace harmofl::log
