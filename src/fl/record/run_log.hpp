// SPDX-License-Identifier: Apache-2.0
/// What a run leaves behind: metrics, the best round, the summary. Lives on the root rank.
#pragma once

#include "fl/clients/federation.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/record/round_record.hpp"
#include "fl/record/split_summary.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/run_folder.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {

/// What a RunLog has gathered over the rounds so far: what a checkpoint keeps of it.
struct RunLogState {
  std::int64_t best_round = -1;   ///< Index of the best round; -1 before there is one.
  double best_value = 0.0;        ///< Mean over sites of the measure it was chosen by.
  std::int64_t without_gain = 0;  ///< Number of measured rounds since it.
  SplitSummary best_val;          ///< Val measures of the best round.
  SplitSummary best_test;
  SplitSummary new_val;  ///< Those of the sites that are held out.
  SplitSummary new_test;
  double simulated_s = 0.0;                   ///< Time of all rounds on the devices of [fleet].
  std::map<std::string, std::int64_t> lost;   ///< Number of updates that did not count, by reason.
  std::map<std::string, double> joules = {};  ///< Of all ranks, by "kind/phase".
  std::int64_t joules_rounds = 0;             ///< Number of rounds that these are of.
};

/// The state as JSON, with null for what is not finite, and back. Throws UserError for a value that
/// no RunLog has after so many rounds.
nlohmann::json to_json(const RunLogState& state);
RunLogState parse_log_state(const JsonValue& value, std::int64_t rounds_done);

/// What rounds are compared by.
struct RunLogOptions {
  std::string best_by = {};                ///< Name of a measure; "": main_metric.
  std::vector<std::string> measures = {};  ///< Sorted names; empty: the usual ones.
};

/// Collects the scores of rounds, keeps track of the best one and writes both.
class RunLog {
 public:
  /// `folder` may be null: then nothing is written. It must outlive the log.
  RunLog(const Federation& federation, const RunFolder* folder, const RunLogOptions& options = {});

  /// Writes a round's scores to `metrics.jsonl`. Returns true when the round is the best so far
  /// by the mean over sites of the val measure that rounds are compared by; sites that are held out
  /// have no part in it. Only rounds with val scores compete, and any number is better than none.
  bool record(RoundId round, const std::vector<Score>& scores);

  /// One line for people: "train loss 0.41, val dice 0.81, test dice 0.79".
  std::string headline(const std::vector<Score>& scores) const;

  /// Writes a round's line to `rounds.jsonl` and adds it to the totals of the summary.
  void record(const RoundRecord& round);

  /// The content of `summary.json`: method, best round, its measures as `summary_table` has them,
  /// those of sites that are held out apart, seconds per phase, the bytes that a client sent which
  /// took part in every round, and over all rounds the simulated time and the updates that were
  /// lost.
  nlohmann::json summary(const std::string& method, RoundId rounds_done,
                         const std::map<std::string, double>& seconds,
                         std::int64_t sent_bytes) const;

  /// Adds joules of a rank, by "kind/phase", to the totals.
  void add_joules(const std::map<std::string, double>& joules);

  /// What a checkpoint keeps, and back.
  const RunLogState& state() const { return state_; }
  const MeasureOptions& measures() const { return measures_; }
  const std::string& best_by() const { return best_by_; }
  void restore(RunLogState state) { state_ = std::move(state); }

 private:
  SplitSummary summary_of(const std::vector<Score>& scores, Split split, bool held_out) const;

  const Federation& federation_;
  const RunFolder* folder_;
  std::string best_by_;
  MeasureOptions measures_;
  RunLogState state_;
};

}  // namespace harmofl
