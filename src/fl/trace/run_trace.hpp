// SPDX-License-Identifier: Apache-2.0
/// The trace of a run, `run.trace`: what every rank did when, in one file `trace.json`.
#pragma once

#include "base/timer.hpp"
#include "base/trace_recorder.hpp"
#include "comm/communicator.hpp"
#include "fl/trace/clock_offset.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace harmofl {

struct TraceOptions {
  std::int64_t capacity = TraceRecorder::default_capacity;  ///< Ranges a rank holds in a round.
  std::int64_t most_bytes = std::int64_t{1} << 30;          ///< Largest file.
  double align_every_s = 60.0;  ///< Clocks of several hosts drift by some microseconds a second.
};

/// Throws UserError where the folder holds a `trace.json` that no run wrote, to which a run that is
/// resumed could not add.
void check_trace(const RunFolder& folder);

/// Records from its construction on. What has ended is written after every round; so the file of a
/// run that was killed lacks its last round. All members are collective.
class RunTrace {
 public:
  /// `comm` must outlive the trace.
  explicit RunTrace(const Communicator& comm, TraceOptions options = {});

  /// Begins the file, or goes on with that of a run that is resumed after `rounds_done` rounds.
  /// `folder` is null on all ranks but the root, and must outlive the trace. Throws UserError for a
  /// file that no run wrote.
  void open(const RunFolder* folder, RoundId rounds_done);

  /// Writes what has ended since the last call. Ends the recording, with a warning and a note in
  /// the file, where that has become too large.
  void write();

  /// Writes the rest and ends the file.
  void close();

 private:
  void align();
  void begin_part(RoundId rounds_done, const std::vector<std::int64_t>& within_ns);
  std::string own_lines();
  void note_full();
  void append(const std::string& lines);

  const Communicator& comm_;
  TraceOptions options_;
  const RunFolder* folder_ = nullptr;
  std::optional<TraceRecorder> recorder_;
  std::int64_t begun_ns_;         ///< By this rank's clock.
  std::int64_t zero_ns_ = 0;      ///< Time 0 of the file by the root's clock.
  ClockOffset clock_;             ///< Of this rank.
  Stopwatch since_aligned_;       ///< On the root, which decides.
  std::int64_t bytes_ = 0;        ///< Length of the file, on the root.
  std::set<std::int64_t> named_;  ///< Tracks that the file has names of.
};

}  // namespace harmofl
