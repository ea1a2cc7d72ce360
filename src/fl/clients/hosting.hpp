// SPDX-License-Identifier: Apache-2.0
/// The clients that a rank hosts: their samples, what they keep, and moves from rank to rank.
#pragma once

#include "comm/communicator.hpp"
#include "fl/clients/client_states.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/placement.hpp"
#include "harmofl/data/client_data.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

namespace harmofl {

/// Knows the rank of every client, and holds those of this rank. A client's samples and state are
/// on its rank and nowhere else, so that a rank's memory does not grow with the federation.
class Hosting {
 public:
  /// Gives a client's samples; called on the client's rank, again when it moves to another (but not
  /// always when it comes back).
  using ClientLoader = std::function<ClientData(const Member&)>;

  /// Places all clients, longest first by `work` (samples to train on in a round), and loads those
  /// of this rank. `federation` must outlive this object. Collective.
  Hosting(const Communicator& comm, const Federation& federation, ClientLoader load,
          std::vector<double> work, PlacementCosts costs, StateOptions state, torch::Device device);

  /// The rank of every client, by ClientId.
  const std::vector<Rank>& placement() const { return placement_; }
  /// The clients of this rank.
  const std::map<ClientId, ClientData>& own() const { return own_; }

  /// Calls `use` with what a client of this rank keeps.
  void with_state(ClientId client, const std::function<void(NamedState&)>& use) {
    states_.with(client, use);
  }
  /// What a client of this rank keeps, until it is closed; as ClientStates::open and close.
  NamedState& open_state(ClientId client) { return states_.open(client); }
  void close_state(ClientId client) { states_.close(client); }
  const ClientStates& states() const { return states_; }

  /// Gives the root the tensors that `client` keeps and `wanted` accepts, others get nothing; the
  /// only ranks that need to call are these two.
  std::vector<NamedTensor> state_at_root(ClientId client,
                                         const std::function<bool(const std::string&)>& wanted);

  /// Gives every rank what `client` keeps, a copy, and its samples, which stay there. Collective.
  const ClientData& lend(ClientId client);
  /// Forgets the copies of what it keeps.
  void take_back(ClientId client);

  /// Takes in what a client's round took, where clients are placed by that; matters on the root.
  void observe_cost(ClientId client, double seconds) {
    if (kind_ == PlacementCosts::measured) costs_.observe(client, seconds);
  }

  /// Evens out the work of a round in which `cohort` trains; returns how many clients moved.
  /// Collective.
  std::int64_t rebalance(const std::vector<ClientId>& cohort);

  /// Moves clients so that they are placed as given. Collective.
  std::int64_t adopt(const std::vector<Rank>& placement);

 private:
  void move(ClientId client, Rank to);
  void leave(ClientId client);
  ClientData samples_of(ClientId client);
  void load_missing();

  const Communicator& comm_;
  const Federation& federation_;
  ClientLoader load_;
  PlacementCosts kind_;
  ClientCosts costs_;
  torch::Device device_;
  std::vector<Rank> placement_;
  std::map<ClientId, ClientData> own_;
  std::map<ClientId, ClientData> left_;  ///< Samples of some that moved away: they may come back.
  std::int64_t left_bytes_ = 0;
  std::map<ClientId, ClientData> lent_;  ///< Samples of clients of other ranks.
  ClientStates states_;
};

}  // namespace harmofl
