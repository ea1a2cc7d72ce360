// SPDX-License-Identifier: Apache-2.0
/// What a run says of its rounds: the files of the run folder, the line for people.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/federation.hpp"
#include "fl/record/round_record.hpp"
#include "fl/record/run_log.hpp"
#include "fl/record/run_watch.hpp"
#include "fl/record/sample_rows.hpp"
#include "fl/record/tensorboard.hpp"
#include "fl/run/personalization.hpp"
#include "fl/run/run_energy.hpp"
#include "fl/run/run_state.hpp"
#include "io/checkpoint/run_folder.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {

struct ReportOptions {
  std::int64_t rounds = 1;    ///< Of the whole run.
  std::int64_t patience = 0;  ///< Measured rounds without a better one that end it; 0 is no end.
  RunLogOptions log = {};
  TensorboardOptions tensorboard = {};
  std::string config = {};  ///< For TensorBoard.
};

/// Brings what the ranks saw of a round to the root, which writes it down.
class RunReporter {
 public:
  /// `folder` as in RunCheckpoints. All references must outlive this object.
  RunReporter(const Communicator& comm, const Federation& federation, const RunFolder* folder,
              ReportOptions options);

  /// From now on writes the samples of the best round to `per_sample.csv`, with their ids by
  /// `names`. Matters on the root.
  void write_samples(SampleNames names) { names_ = std::move(names); }

  /// From now on writes down what `energy` measures. It must outlive the reporter.
  void measure_energy(RunEnergy& energy) { energy_ = &energy; }

  /// Reports a round: `record` without its ranks, this rank's scores and client steps, and what it
  /// measured until now. Returns, on every rank, whether the round is the best so far. Collective.
  bool report(RoundRecord record, const std::vector<Score>& own_scores, std::int64_t client_steps,
              const PhaseTimes& times);

  /// Takes this rank's pictures of the round that is reported next. Collective.
  void show(const std::vector<Picture>& own) { pictures_ = gather_pictures(own, comm_); }

  /// Whether so many measured rounds were not better than the best that the run is to end. The same
  /// on every rank.
  bool out_of_patience() const { return out_of_patience_; }

  /// Says what fine-tuning came to, writes `personalized.csv`, and gives the root what the summary
  /// has of it. Collective.
  nlohmann::json report(const Personalized& personalized);

  /// Writes `summary.json`, with the members of `more` too, and shows the best round of each site.
  /// Collective.
  void write_summary(const std::string& algorithm, const RunState& state,
                     const nlohmann::json& more);

  /// Takes the phases of `times` as reported: those of the run that a checkpoint is of, whose log
  /// every rank has.
  void resume(const PhaseTimes& times) {
    reported_seconds_ = times.seconds();
    out_of_patience_ = lacks_patience();
  }

  /// Scores of the last round: train losses, and val and test where it was evaluated. Root only.
  const std::vector<Score>& scores() const { return scores_; }
  RunLog& log() { return log_; }

 private:
  std::map<std::string, double> joules();
  bool lacks_patience() const {
    return options_.patience > 0 && log_.state().without_gain >= options_.patience;
  }
  std::string eta_text(const RoundRecord& record);
  void write_events(const RoundRecord& record);

  const Communicator& comm_;
  const Federation& federation_;
  const RunFolder* folder_;
  ReportOptions options_;
  RunLog log_;
  RunEnergy* energy_ = nullptr;
  SampleNames names_;  ///< Empty where single samples are not written.
  bool out_of_patience_ = false;
  std::map<std::string, double> reported_seconds_;  ///< Seconds of phases at the last report.
  std::vector<Score> scores_;
  std::vector<Picture> pictures_;           ///< Of the round that is reported, on the root alone.
  std::optional<Tensorboard> tensorboard_;  ///< On the root, from the first report on.
  DivergenceWatch divergence_;              ///< On the root alone, as the next.
  RemainingTime remaining_;
};

}  // namespace harmofl
