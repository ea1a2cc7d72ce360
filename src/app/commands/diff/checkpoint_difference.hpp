// SPDX-License-Identifier: Apache-2.0
/// How checkpoints differ: two files, or those that two run folders have of the same round.
#pragma once

#include "app/commands/diff/fact_difference.hpp"
#include "app/commands/diff/tensor_difference.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// How two checkpoints differ.
struct CheckpointDifference {
  std::filesystem::path a = {}, b = {};
  std::int64_t rounds_a = 0, rounds_b = 0;   ///< Rounds done.
  bool whole = false;                        ///< Both hold all that a run needs to go on.
  std::vector<FactDifference> facts = {};    ///< Method, network of one's own.
  std::vector<GroupDifference> groups = {};  ///< Those that differ.
  std::int64_t tensors = 0;                  ///< Number that both have.

  bool alike() const { return groups.empty() && facts.empty(); }
};

/// Compares the model and, where both hold more than a model, what is kept at the server and with
/// each client. Throws UserError for a damaged file.
CheckpointDifference difference_of(const CheckpointReader& a, const CheckpointReader& b);

/// Checkpoints of two runs, to go on from, that are alike.
struct AlikeSaves {
  std::int64_t rounds = 0;  ///< Rounds done.
  std::filesystem::path a = {}, b = {};
};

/// What two run folders have saved after equally many rounds.
struct SavedRounds {
  std::optional<AlikeSaves> last_alike = {};
  std::optional<CheckpointDifference> first_other = {};  ///< The first pair that differs.
  std::int64_t pairs = 0;
  std::vector<std::string> left_out = {};  ///< Damaged files, with the reason.
};

/// Compares the checkpoints of two run folders that are of the same round, the earliest first, up
/// to the first that differ.
SavedRounds compare_saves(const std::filesystem::path& a, const std::filesystem::path& b);

}  // namespace harmofl
