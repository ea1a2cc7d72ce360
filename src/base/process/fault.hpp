// SPDX-License-Identifier: Apache-2.0
/// Injected failures: how the tests see that a real one ends the job cleanly.
#pragma once

#include <string_view>

namespace harmofl {

/// Throws std::runtime_error, exits, crashes or hangs where environment variable HARMOFL_FAULT asks
/// for it, as `<throw|exit|crash|hang>@<place>:<rank>:<round>`, for example `throw@train:1:2`. Does
/// nothing otherwise.
void fault_point(std::string_view place, long rank, long round);

/// Warns of a run that HARMOFL_FAULT is to make fail, so that nobody takes it for an accident.
void announce_fault();

}  // namespace harmofl
