// SPDX-License-Identifier: Apache-2.0
/// Where what two runs wrote of a round parts: who took part, and what was measured.
#pragma once

#include "app/commands/diff/round_lines.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// A number of a round in which two runs differ.
struct ScoreDifference {
  std::string name;  ///< "train loss of site_1", "number of clients".
  std::string a;     ///< As the file has it; "" where the run has none.
  std::string b;

  bool operator==(const ScoreDifference&) const = default;
};

/// All that differs between lines of `rounds.jsonl` of one round, but for seconds, bytes and
/// memory, and what only one of both has.
std::vector<ScoreDifference> round_differences(const LinesOfRound& a, const LinesOfRound& b);

/// All values that differ between lines of `metrics.jsonl` of one round, those of training first.
/// Measures that only one run has do not count, nor do sites measured in one alone; a client that
/// trained in one alone does.
std::vector<ScoreDifference> score_differences(const LinesOfRound& a, const LinesOfRound& b);

}  // namespace harmofl
