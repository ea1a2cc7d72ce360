/// What a round was, apart from its metrics: the content of a line of `rounds.jsonl`.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/ids.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// How one rank spent a round.
struct RankRound {
  std::map<std::string, double> seconds;  ///< By phase.
  std::int64_t peak_memory_bytes = 0;     ///< Of the process so far.
};

/// Brings what every rank says of a round to the root, by rank. Collective.
std::vector<RankRound> gather_rank_rounds(const RankRound& own, const Communicator& comm);

struct RoundRecord {
  RoundId round;
  double seconds = 0.0;
  std::int64_t clients = 0;                  ///< That trained.
  std::int64_t counted = 0;                  ///< Whose updates are in the average.
  std::map<std::string, std::int64_t> lost;  ///< Clients whose updates are not, by reason.
  double simulated_s = 0.0;                  ///< On the devices of [fleet].
  std::int64_t sent_bytes = 0;               ///< A client's message.
  std::int64_t moved_clients = 0;            ///< To another rank, before the round.
  std::vector<RankRound> ranks;

  /// The line without its newline; of the ranks, mean and largest of each number.
  nlohmann::json to_json() const;
};

}  // namespace harmofl
