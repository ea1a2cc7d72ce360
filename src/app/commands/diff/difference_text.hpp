// SPDX-License-Identifier: Apache-2.0
/// What `harmofl diff` says, for people and as JSON.
#pragma once

#include "app/commands/diff/run_difference.hpp"

#include <nlohmann/json_fwd.hpp>

#include <string>

namespace harmofl {

/// Several lines, the first difference of each kind among them.
std::string difference_text(const RunDifference& difference);
std::string difference_text(const CheckpointDifference& difference,
                            const std::vector<FactDifference>& config);

/// The client that a round's difference is told by: one with the earliest cause.
const DifferingClient& main_client(const RoundDifference& difference);

/// A sentence on what of a round differs first.
std::string what_differs(const DifferingRound& round);

/// The same, with every tensor and number that differs.
nlohmann::ordered_json difference_json(const RunDifference& difference);
nlohmann::ordered_json difference_json(const CheckpointDifference& difference);
nlohmann::ordered_json difference_json(const std::vector<FactDifference>& facts);

}  // namespace harmofl
