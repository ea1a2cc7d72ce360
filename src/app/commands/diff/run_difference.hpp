// SPDX-License-Identifier: Apache-2.0
/// Where two runs part, by what their folders hold.
#pragma once

#include "app/commands/diff/checkpoint_difference.hpp"
#include "app/commands/diff/fact_difference.hpp"
#include "app/commands/diff/fingerprint_difference.hpp"
#include "app/commands/diff/score_difference.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// A round with what differs in it.
struct DifferingRound {
  std::int64_t round = 0;
  RoundDifference what;
  /// The runs went into the round with other models than they had ended the one before with: "A",
  /// "B", "A and B"; "" where not, or where that is not known.
  std::string started_elsewhere = {};
};

struct DifferingScores {
  std::int64_t round = 0;
  std::vector<ScoreDifference> scores = {};  ///< All of the round that differ.
};

/// One of the two runs.
struct RunSide {
  std::filesystem::path folder = {};
  ConfigValues config = {};
  std::string title = {};   ///< "harmofl 0.1.0 (f529728), fedavg"
  std::int64_t ranks = 1;   ///< Number of them.
  std::int64_t rounds = 0;  ///< Rounds that it has finished.
};

struct RunDifference {
  RunSide a, b;
  std::vector<FactDifference> config = {}, provenance = {};
  std::int64_t common = 0;  ///< Rounds that both have finished.
  std::int64_t fingerprinted =
      0;  ///< Rounds of these, up to the first that differs, that both hashed.
  std::optional<DifferingRound> computed = {};
  std::optional<DifferingScores> measured = {};
  SavedRounds saved = {};
  std::vector<std::string> notes = {};  ///< What was left out, with the reason.

  bool alike() const { return !computed && !measured && !saved.first_other; }
  /// The first round known to differ; nothing where none is.
  std::optional<std::int64_t> first_round() const;
};

/// Compares two run folders. Throws UserError where one is none, or no round is in both.
RunDifference compare_runs(const std::filesystem::path& a, const std::filesystem::path& b);

/// Commands that make both runs save after the round in which they part, and compare them there;
/// empty where that would tell no more. `difference` is not alike.
std::vector<std::string> commands_to_look_closer(const RunDifference& difference);

}  // namespace harmofl
