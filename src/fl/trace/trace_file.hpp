// SPDX-License-Identifier: Apache-2.0
/// `trace.json` of a run that is resumed.
#pragma once

#include <cstdint>
#include <filesystem>

namespace harmofl {

/// Where a trace ends.
struct TraceEnd {
  std::int64_t unix_us = 0;  ///< Unix time at time 0 of the file, in microseconds.
  std::int64_t last_us = 0;  ///< Latest end of an event in it, rounded up.
  std::int64_t bytes = 0;    ///< Its length up to the last event.
};

/// Looks at every line of a trace. Throws UserError, naming file and line, for what no run wrote;
/// a part of a line at the end is what a killed process left, and is not counted.
TraceEnd find_trace_end(const std::filesystem::path& path);

}  // namespace harmofl
