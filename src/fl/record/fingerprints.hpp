// SPDX-License-Identifier: Apache-2.0
/// Hashes of all that a round computed: the content of a line of `fingerprints.jsonl`, by which
/// `harmofl diff` finds where two runs part (docs/guides/reproducibility.md).
#pragma once

#include "harmofl/fl/named_state.hpp"
#include "harmofl/model/parameter_vector.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// Fingerprints (model/fingerprint.hpp) of tensors by their names.
using NamedFingerprints = std::map<std::string, std::string>;

/// The fingerprint of each tensor that is kept.
NamedFingerprints fingerprints(const NamedState& kept);

/// Name and shape of a tensor of the model.
struct TensorHead {
  std::string name;
  std::vector<std::int64_t> shape;

  bool operator==(const TensorHead&) const = default;
};

/// The tensors of a model, in its order.
std::vector<TensorHead> heads_of(const std::vector<Slot>& slots);

/// What one client computed in a round.
struct ClientFingerprints {
  std::string site = {};
  std::optional<double> weight = {};    ///< Its p_i in the average; nothing where it did not count.
  std::string batches = {};             ///< All images and targets that it trained on, in order.
  NamedFingerprints kept_before = {};   ///< What it kept from its rounds before.
  std::vector<std::string> model = {};  ///< Its model after local training, before any sum.
  std::string extra = {};  ///< What the method sends beside the model; "" where it sends nothing.
  NamedFingerprints kept = {};  ///< What it keeps for its next round.

  bool operator==(const ClientFingerprints&) const = default;
};

/// What a round computed. Models are lists in the order of `tensors`.
struct RoundFingerprints {
  std::int64_t round = 0;
  std::vector<TensorHead> tensors = {};
  std::vector<std::string> start = {};           ///< The global model that the round began with.
  std::vector<ClientFingerprints> clients = {};  ///< Of all that trained, by their numbers.
  /// The last average before the server's step; empty where that is `model`.
  std::vector<std::string> average = {};
  NamedFingerprints server = {};        ///< What the method keeps at the server, after the round.
  std::vector<std::string> model = {};  ///< The global model that the round ended with.

  bool operator==(const RoundFingerprints&) const = default;
};

/// As JSON, and back. Parsing throws UserError for what no run writes, such as a client's model of
/// another number of `tensors` than the round's.
nlohmann::json to_json(const ClientFingerprints& client);
nlohmann::json to_json(const RoundFingerprints& round);
ClientFingerprints parse_client_fingerprints(const JsonValue& value, std::size_t tensors);
RoundFingerprints parse_fingerprints(const JsonValue& line);

}  // namespace harmofl
