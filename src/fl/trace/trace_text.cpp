// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/trace_text.hpp"

#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

using nlohmann::json;

std::string quoted(const std::string& text) {
  return json(text).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::int64_t pid(Rank rank) { return rank.value() + 1; }

/// "1234.567", of nanoseconds.
std::string microseconds(std::int64_t ns) {
  std::string digits = std::to_string(ns < 0 ? -ns : ns);
  if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
  digits.insert(digits.size() - 3, 1, '.');
  return ns < 0 ? "-" + digits : digits;
}

// By hand: there are thousands a round.
std::string range_line(const TraceEvent& event, std::int64_t track, Rank rank,
                       std::int64_t zero_ns) {
  std::string line = concat(",{\"name\":", quoted(*event.name),
                            ",\"ph\":\"X\",\"ts\":", microseconds(event.begin_ns - zero_ns),
                            ",\"dur\":", microseconds(event.end_ns - event.begin_ns),
                            ",\"pid\":", pid(rank), ",\"tid\":", track);
  if (event.key != nullptr) {
    line += concat(",\"args\":{\"", event.key, "\":",
                   event.text != nullptr ? quoted(*event.text) : std::to_string(event.number), "}");
  }
  return line + "}\n";
}

std::string name_line(const char* what, json args, std::int64_t track, Rank rank) {
  return "," +
         trace_line({{"name", what}, {"ph", "M"}, {"tid", track}, {"args", std::move(args)}}, rank);
}

/// Ranges as they began; what began at the same time, the longer first.
std::vector<TraceEvent> sorted(std::vector<TraceEvent> events) {
  std::ranges::reverse(events);  // an outer range ended later than those within it
  std::ranges::stable_sort(events, [](const TraceEvent& a, const TraceEvent& b) {
    return std::pair(a.begin_ns, -a.end_ns) < std::pair(b.begin_ns, -b.end_ns);
  });
  return events;
}

}  // namespace

std::string trace_line(json event, Rank rank) {
  event["pid"] = pid(rank);
  return event.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
}

std::string name_rank(Rank rank, const std::string& host) {
  const std::string name = concat("rank ", rank, " (", host, ")");
  return name_line("process_name", {{"name", name}}, 1, rank) +
         name_line("process_sort_index", {{"sort_index", rank.value()}}, 1, rank);
}

std::string name_track(const TraceTrack& track, Rank rank) {
  return name_line("thread_name", {{"name", track.name}}, track.number, rank) +
         name_line("thread_sort_index", {{"sort_index", track.number}}, track.number, rank);
}

std::string track_lines(const TraceTrack& track, Rank rank, std::int64_t zero_ns) {
  std::string lines;
  std::int64_t last_ns = zero_ns;
  for (const TraceEvent& event : sorted(track.events)) {
    lines += range_line(event, track.number, rank, zero_ns);
    last_ns = std::max(last_ns, event.end_ns);
  }
  if (track.dropped == 0) return lines;
  return lines + concat(",{\"name\":\"dropped\",\"ph\":\"i\",\"s\":\"t\",\"ts\":",
                        microseconds(last_ns - zero_ns), ",\"pid\":", pid(rank),
                        ",\"tid\":", track.number, ",\"args\":{\"ranges\":", track.dropped, "}}\n");
}

}  // namespace harmofl
