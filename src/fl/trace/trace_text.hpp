// SPDX-License-Identifier: Apache-2.0
/// The content of `trace.json`: events in the JSON Array Format of Chrome's tracing, which Perfetto
/// reads.
///
/// The file is one JSON array with an event a line. It grows by whole lines and gets its closing
/// bracket when the run ends; viewers read it without as well. Times are microseconds since the
/// first rank began to record.
#pragma once

#include "base/trace_recorder.hpp"
#include "harmofl/base/ids.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

inline constexpr const char* trace_begin = "[\n";
inline constexpr const char* trace_end = "]\n";

/// What tells the first line, and that of each later part, from others.
inline constexpr const char* trace_part_name = "part of the run";

/// The line of an event without the comma before it, by Chrome's names of members: `pid` is the
/// rank's plus 1, since 0 has a meaning of its own.
std::string trace_line(nlohmann::json event, Rank rank);

/// Lines that name a rank in a viewer.
std::string name_rank(Rank rank, const std::string& host);
/// The same of a thread of it.
std::string name_track(const TraceTrack& track, Rank rank);

/// The lines of what a thread did, each range before those within it, and of what was dropped.
/// `zero_ns` is the rank's steady time at time 0 of the file.
std::string track_lines(const TraceTrack& track, Rank rank, std::int64_t zero_ns);

}  // namespace harmofl
