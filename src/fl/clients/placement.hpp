// SPDX-License-Identifier: Apache-2.0
/// Which rank trains whom: longest first, by what a client's round cost before, moving few clients.
#pragma once

#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// Where the costs come from that clients are placed by, `comm.placement`.
enum class PlacementCosts {
  samples,   ///< Samples to train on: the same placement in every run.
  measured,  ///< Seconds of earlier rounds; clients not seen yet by their samples.
};

/// Gives each client a rank, longest first: in order of falling cost, each to the rank with the
/// least so far. The same on every rank. With as many ranks as clients, each gets one.
/// (Graham, "Bounds on multiprocessing timing anomalies", 1969: at most 4/3 of the best.)
std::vector<Rank> place(const std::vector<double>& costs, std::int64_t ranks);

/// New owners of clients whose present owners are `owner`, for a round in which `cohort` trains.
/// Nobody moves while the busiest rank has at most 5 % more than longest first would give it; else
/// clients move, one at a time from the busiest rank to the idlest, until that holds. `costs` and
/// `owner` are those of all clients.
std::vector<Rank> rebalance(std::vector<Rank> owner, const std::vector<ClientId>& cohort,
                            const std::vector<double>& costs, std::int64_t ranks);

/// What each client's round costs, learnt from rounds.
class ClientCosts {
 public:
  /// `work`: samples that each client trains on in a round.
  explicit ClientCosts(std::vector<double> work);

  /// Takes in that a client's round took so long: half of the new estimate, so that one slow round
  /// moves nobody for long while a drift is followed.
  void observe(ClientId client, double seconds);

  /// Estimates for all clients in one unit: seconds, those of clients not seen yet by their samples
  /// and the mean speed of the others; samples while nobody was seen.
  std::vector<double> estimates() const;

 private:
  std::vector<double> work_;
  std::vector<double> seconds_;  ///< Negative: not seen yet.
};

}  // namespace harmofl
