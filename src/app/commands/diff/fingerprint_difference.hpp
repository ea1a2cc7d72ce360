// SPDX-License-Identifier: Apache-2.0
/// Where the computations of two runs part, by the fingerprints of a round.
#pragma once

#include "fl/record/fingerprints.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// Tensors that differ among those of one thing: a model, what a client keeps.
struct DifferingTensors {
  std::vector<std::string> names = {};  ///< In the model's order, with shapes where known.
  std::size_t of = 0;                   ///< Number of tensors that were compared.

  bool operator==(const DifferingTensors&) const = default;
};

/// What a client's part of a round consists of, from cause to effect.
enum class WorkPart {
  kept_before,  ///< What it kept from its rounds before.
  batches,      ///< The images and targets that it trained on, in their order.
  model,        ///< Its model after local training.
  extra,        ///< What the method sends beside the model.
  kept,         ///< What it keeps for its next round.
  weight,       ///< How much its update counts.
};

/// A client that computed something else.
struct DifferingClient {
  std::string site = {};
  std::vector<WorkPart> parts = {};  ///< Never empty, in the order of WorkPart.
  DifferingTensors kept_before = {}, model = {}, kept = {};
  std::optional<double> weight_a = {}, weight_b = {};  ///< As ClientFingerprints::weight.

  bool operator==(const DifferingClient&) const = default;
};

/// What of a round differs first, from cause to effect.
enum class RoundPart {
  tensors,  ///< The models are not of the same tensors.
  start,    ///< The global model that it began with.
  cohort,   ///< Which clients trained.
  clients,  ///< What clients computed.
  average,  ///< The average of their updates, which are the same.
  server,   ///< What the method keeps at the server, after the same average.
  model,    ///< The global model that it ended with, after the same average.
};

struct RoundDifference {
  RoundPart part = RoundPart::tensors;
  DifferingTensors tensors = {};                      ///< Of start, average, server or model.
  std::vector<std::string> only_a = {}, only_b = {};  ///< Clients, or tensors, of one run alone.
  std::vector<DifferingClient> clients = {};          ///< In the order of their numbers.

  bool operator==(const RoundDifference&) const = default;
};

/// What differs first in a round that both runs hashed; nothing where all is the same.
std::optional<RoundDifference> first_difference(const RoundFingerprints& a,
                                                const RoundFingerprints& b);

}  // namespace harmofl
