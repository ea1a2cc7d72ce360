// SPDX-License-Identifier: Apache-2.0
/// Follows the folder of a run, from the process that trains or from another one.
#pragma once

#include "app/commands/watch/line_file.hpp"
#include "app/commands/watch/run_view.hpp"
#include "io/formats/json.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Reads the files of a run again and again, of those that grow only what is new.
class RunReader {
 public:
  /// Throws UserError where `folder` is not that of a run.
  explicit RunReader(std::filesystem::path folder);

  /// The run as it stands at `now_s`, in seconds since 1970 by the clock of this machine. Lines
  /// that cannot be read are counted. Throws UserError when the folder goes away.
  const RunView& look(double now_s);

 private:
  void read_description();
  void read_summary();
  void read_rounds();
  void read_metrics();
  void take_round(const JsonValue& line);
  void take_score(const JsonValue& line);
  void take_value(const JsonValue& line, std::int64_t round, bool val);
  void look_at_job(double now_s);
  template <class Take>
  void take_lines(const std::vector<std::string>& lines, const Take& take);

  std::filesystem::path folder_;
  LineFile rounds_file_, metrics_file_;
  RunView view_;
  std::string wanted_measure_;  ///< `run.best_by`; auto is the first of dice and accuracy.
  double described_at_s_ = -1.0;
  double summarized_at_s_ = -1.0;
  std::int64_t summary_rounds_ = -1;
  std::map<std::string, std::int64_t> processes_;  ///< Process of the first rank, by its host.
  std::vector<std::string> places_;                ///< Host and clients of each rank.
  std::map<std::string, std::size_t> site_rows_;   ///< Positions in `view_.sites`.
  std::map<std::int64_t, std::pair<double, std::int64_t>> train_losses_;  ///< Sum and number.
  std::vector<double> round_seconds_;
};

}  // namespace harmofl
