// SPDX-License-Identifier: Apache-2.0
/// For how long a rank may report nothing before it is taken to hang: rules without a clock in
/// them.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace harmofl {

/// What ends the silence of a rank.
enum class Work {
  own,       ///< Its own work, which takes about as long whenever it is done.
  waiting,   ///< What other ranks do before it: as long as they need, which differs by round.
  together,  ///< A sum or the like, which all ranks begin at the same time.
};

/// Learns for how long work may be silent. With a number of seconds that is the limit, whatever the
/// work (0: none). Without one, `auto`, it follows from what this rank has seen so far:
///
///     own, seen before      max(floor_s, margin * the longest that the same work took)
///     own, never seen       max(first_s, margin * the longest of all)
///     waiting               max(first_s, margin * the longest of all)
///     together              max(floor_s, margin * the longest that the same took)
///
/// So a limit that was learnt from one thing holds for that thing alone: a small client says
/// nothing of a large one, an epoch nothing of an evaluation.
class SilenceLimits {
 public:
  static constexpr double floor_s = 1800.0;   ///< Longer than a file server takes to come back.
  static constexpr double first_s = 86400.0;  ///< Longer than a round that can be saved in a job.
  static constexpr double margin = 10.0;      ///< Beside work that takes the same machine.

  /// Without a value: auto.
  explicit SilenceLimits(std::optional<double> timeout_s) : timeout_s_(timeout_s) {}

  bool automatic() const { return !timeout_s_.has_value(); }
  /// Seconds for which `what` may be silent; infinite where nothing limits it.
  double limit_s(const std::string& what, Work work) const;
  /// Learns that `what` took so long.
  void learn(const std::string& what, double seconds);

 private:
  double longest_of(const std::string& what) const;

  std::optional<double> timeout_s_;
  std::map<std::string, double> longest_;  ///< Seconds by what was done.
  double longest_of_all_ = 0.0;
};

}  // namespace harmofl
