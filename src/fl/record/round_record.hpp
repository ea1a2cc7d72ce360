// SPDX-License-Identifier: Apache-2.0
/// What a round was, apart from its metrics: the content of a line of `rounds.jsonl`.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/ids.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// How one rank spent a round.
struct RankRound {
  std::map<std::string, double> seconds;      ///< Seconds of each phase.
  std::int64_t client_steps = 0;              ///< Gradients of its clients' steps, lost ones too.
  std::int64_t peak_memory_bytes = 0;         ///< Highest resident memory of the process so far.
  std::int64_t peak_gpu_bytes = 0;            ///< The same of its GPU; 0 where it uses none.
  std::map<std::string, double> joules = {};  ///< By "kind/phase"; empty where none are measured.
};

/// Brings what every rank says of a round to the root, by rank. Collective.
std::vector<RankRound> gather_rank_rounds(const RankRound& own, const Communicator& comm);

struct RoundRecord {
  RoundId round;
  double seconds = 0.0;
  std::int64_t clients = 0;  ///< Number of clients that trained.
  std::int64_t counted = 0;  ///< Number of clients whose updates are in the average.
  std::map<std::string, std::int64_t>
      lost;                     ///< Number of clients whose updates are not, by reason.
  double simulated_s = 0.0;     ///< Time of the round on the devices of [fleet].
  std::int64_t sent_bytes = 0;  ///< Size of a client's message.
  std::int64_t moved_clients =
      0;  ///< Number of clients that moved to another rank before the round.
  std::vector<RankRound> ranks;
  std::optional<double> lr = {};  ///< Learning rate of the clients, where a schedule moves it.

  /// The line without its newline; of the ranks, mean and largest of each number, but the sum of
  /// client steps, joules of each, and who waited longest and for whom.
  nlohmann::json to_json() const;
};

}  // namespace harmofl
