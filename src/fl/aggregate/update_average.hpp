// SPDX-License-Identifier: Apache-2.0
/// The average of the updates that count in a round.
#pragma once

#include "comm/communicator.hpp"
#include "fl/aggregate/aggregator.hpp"
#include "harmofl/base/ids.hpp"

#include <torch/types.h>

#include <string>
#include <vector>

namespace harmofl {

/// Averages clients' messages over all ranks with weights p_i that sum to 1 over those which count:
/// a round's cohort without whom was lost and whom was left out.
class UpdateAverage {
 public:
  /// `weights` are the p_i of all clients, by ClientId; they sum to 1.
  UpdateAverage(const Communicator& comm, Transport& transport, Reduction reduction,
                std::vector<double> weights);

  /// Starts a round in which the updates of `counted` (ascending) are to count.
  void begin(const MessageLayout& layout, torch::Device device, std::vector<ClientId> counted);

  /// Adds the message of a client that counts, float32 [layout.length()]. Returns false, and adds
  /// nothing, when a value is not finite. Throws as Aggregator::add, naming `site`.
  bool add(ClientId client, const torch::Tensor& message, const std::string& site);

  /// The p_i that `add` multiplies the message of a client that counts by.
  double weight(ClientId client) const { return weights_[client.position()] / planned_weight_; }

  /// Takes a client of this rank, whose message could not be added, out of those that count.
  void leave_out(ClientId client) { own_left_out_.push_back(client); }

  /// Makes known to all ranks who was left out on any, and returns them, ascending. Ranks meet
  /// here. Collective.
  const std::vector<ClientId>& agree_on_left_out();

  /// Whose updates are in the average. Ascending; without those left out once ranks agreed on them.
  const std::vector<ClientId>& counted() const { return counted_; }
  /// Share of the weights of all clients that those who count have, in (0, 1].
  double participation() const { return weight_of(counted_); }

  /// sum p_i message_i, float32 [layout.length()]. Some client must count. Collective.
  torch::Tensor average();

 private:
  double weight_of(const std::vector<ClientId>& clients) const;

  const Communicator& comm_;
  std::vector<double> weights_;
  Aggregator aggregator_;
  std::vector<ClientId> counted_;
  double planned_weight_ = 1.0;  ///< Share of those who were to count.
  std::vector<ClientId> own_left_out_, left_out_;
};

}  // namespace harmofl
