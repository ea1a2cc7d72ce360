// SPDX-License-Identifier: Apache-2.0
/// What a run says of its rounds: the files of the run folder, the line for people.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"
#include "fl/record/round_record.hpp"
#include "fl/record/run_log.hpp"
#include "fl/run/run_state.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Brings what the ranks saw of a round to the root, which writes it down.
class RunReporter {
 public:
  /// `folder` as in RunCheckpoints. All references must outlive this object.
  RunReporter(const Communicator& comm, const Federation& federation, const RunFolder* folder,
              std::int64_t rounds);

  /// Reports a round: `record` without its ranks, this rank's scores, and what it measured until
  /// now. Returns, on every rank, whether the round is the best so far. Collective.
  bool report(RoundRecord record, const std::vector<Score>& own_scores, const PhaseTimes& times);

  /// Writes `summary.json`. Collective.
  void write_summary(const std::string& algorithm, const RunState& state);

  /// Takes the phases of `times` as reported: those of the run that a checkpoint is of.
  void resume(const PhaseTimes& times) { reported_seconds_ = times.seconds(); }

  /// Scores of the last round: train losses, and val and test where it was evaluated. Root only.
  const std::vector<Score>& scores() const { return scores_; }
  RunLog& log() { return log_; }

 private:
  const Communicator& comm_;
  const RunFolder* folder_;
  std::int64_t rounds_;
  RunLog log_;
  std::map<std::string, double> reported_seconds_;  ///< Seconds of phases at the last report.
  std::vector<Score> scores_;
};

}  // namespace harmofl
