// SPDX-License-Identifier: Apache-2.0
/// What a process was doing when a signal ended it.
#pragma once

#include <string>

namespace harmofl {

/// Keeps `activity` as what this process does from now on, for its last words.
void set_activity(const std::string& activity);

/// From now on a signal that means a defect (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) makes the
/// process say on standard error which rank it is and what it was doing, before it ends as it
/// would have. Nothing can be said after SIGKILL.
void install_last_words(int rank);

}  // namespace harmofl
