// SPDX-License-Identifier: Apache-2.0
/// Records when the ranges of this process were, by thread.
#pragma once

#include "base/range.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

/// Time of std::chrono::steady_clock, in nanoseconds.
std::int64_t steady_ns();

/// A range that has ended.
struct TraceEvent {
  std::int64_t begin_ns = 0;  ///< As `steady_ns`, like the next.
  std::int64_t end_ns = 0;
  const std::string* name = nullptr;
  const char* key = nullptr;          ///< Name of the note; null without one.
  const std::string* text = nullptr;  ///< Its value; null where that is the number.
  std::int64_t number = 0;
};

/// What a thread did, or several threads of one role one after the other.
struct TraceTrack {
  std::string name;                ///< "main", "lane 1", "input 2".
  std::int64_t number = 0;         ///< Its own in the process; "main" has 1.
  std::vector<TraceEvent> events;  ///< A range after those within it.
  std::int64_t dropped = 0;        ///< Number of ranges there was no room for.
};

namespace detail {
struct TraceTracks;
}

/// Records ranges from its construction to its end; one at a time in a process. The thread that
/// makes it is "main", and no other thread may have ranges then, nor when it ends.
class TraceRecorder {
 public:
  static constexpr std::int64_t default_capacity = std::int64_t{1} << 20;

  /// Holds so many ranges (56 bytes each) between two calls of `take`; those that have others
  /// within them, of which there are few, up to twice as many.
  explicit TraceRecorder(std::int64_t capacity = default_capacity);
  ~TraceRecorder();
  TraceRecorder(const TraceRecorder&) = delete;
  TraceRecorder& operator=(const TraceRecorder&) = delete;

  /// What has ended since the last call, of all threads with something to tell. The texts live as
  /// long as the recorder.
  std::vector<TraceTrack> take();

 private:
  std::shared_ptr<detail::TraceTracks> tracks_;
};

}  // namespace harmofl
