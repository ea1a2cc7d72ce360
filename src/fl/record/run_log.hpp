// SPDX-License-Identifier: Apache-2.0
/// What a run leaves behind: metrics, the best round, the summary. Lives on the root rank.
#pragma once

#include "fl/clients/federation.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/record/round_record.hpp"
#include "harmofl/base/ids.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <nlohmann/json_fwd.hpp>

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Collects the scores of rounds, keeps track of the best one and writes both.
class RunLog {
 public:
  /// `folder` may be null: then nothing is written. It must outlive the log.
  RunLog(const Federation& federation, const RunFolder* folder);

  /// Writes a round's scores to `metrics.jsonl`. Returns true when the round is the best so far
  /// by mean val metric over sites (only rounds with val scores compete).
  bool record(RoundId round, const std::vector<Score>& scores);

  /// One line for people: "train loss 0.41, val dice 0.81, test dice 0.79".
  std::string headline(const std::vector<Score>& scores) const;

  /// Writes a round's line to `rounds.jsonl` and adds it to the totals of the summary.
  void record(const RoundRecord& round);

  /// The content of `summary.json`: method, best round, its test metrics per site with mean and
  /// standard deviation over sites, seconds per phase, the bytes that a client sent which took part
  /// in every round, and over all rounds the simulated time and the updates that were lost.
  nlohmann::json summary(const std::string& method, RoundId rounds_done,
                         const std::map<std::string, double>& seconds,
                         std::int64_t sent_bytes) const;

  /// The state that a checkpoint keeps, and back.
  nlohmann::json save() const;
  void load(const nlohmann::json& state);

 private:
  const Federation& federation_;
  const RunFolder* folder_;
  std::int64_t best_round_ = -1;
  double best_value_ = 0.0;
  std::map<std::string, MetricValues> best_test_;  ///< Test metrics of the best round by site.
  std::map<std::string, MetricValues> best_val_;
  double simulated_s_ = 0.0;
  std::map<std::string, std::int64_t> lost_;
};

}  // namespace harmofl
