// SPDX-License-Identifier: Apache-2.0
#include "fl/record/round_record.hpp"

#include "comm/named_numbers.hpp"
#include "fl/record/split_summary.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace harmofl {
namespace {

using nlohmann::json;

/// Mean and largest of `value` over ranks.
template <class Value>
json over_ranks(const std::vector<RankRound>& ranks, const Value& value) {
  double sum = 0.0;
  double most = 0.0;
  for (const RankRound& rank : ranks) {
    sum += value(rank);
    most = std::max(most, value(rank));
  }
  return {{"mean", sum / static_cast<double>(ranks.size())}, {"max", most}};
}

std::int64_t client_steps_of(const std::vector<RankRound>& ranks) {
  std::int64_t sum = 0;
  for (const RankRound& rank : ranks) sum += rank.client_steps;
  return sum;
}

json phases_of(const std::vector<RankRound>& ranks) {
  std::set<std::string> names;
  for (const RankRound& rank : ranks) {
    for (const auto& [name, seconds] : rank.seconds) names.insert(name);
  }
  json phases = json::object();
  for (const std::string& name : names) {
    phases[name] = over_ranks(ranks, [&](const RankRound& rank) {
      const auto found = rank.seconds.find(name);
      return found == rank.seconds.end() ? 0.0 : found->second;
    });
  }
  return phases;
}

/// Who waited longest for the others before the sum, and who waited least, for whom all did. Null
/// where nobody can have waited.
json waiting_of(const std::vector<RankRound>& ranks) {
  const auto waited = [](const RankRound& rank) {
    const auto found = rank.seconds.find("wait");
    return found == rank.seconds.end() ? 0.0 : found->second;
  };
  if (ranks.size() < 2) return nullptr;
  const auto [least, longest] = std::ranges::minmax_element(ranks, {}, waited);
  if (waited(*longest) <= 0.0) return nullptr;
  return {{"rank", longest - ranks.begin()},
          {"seconds", waited(*longest)},
          {"awaited_rank", least - ranks.begin()}};
}

/// kind -> phase -> joules of each rank, 0 where a rank was not in the phase.
json joules_of(const std::vector<RankRound>& ranks) {
  std::set<std::string> names;
  for (const RankRound& rank : ranks) {
    for (const auto& [name, joules] : rank.joules) names.insert(name);
  }
  json kinds = json::object();
  for (const std::string& name : names) {
    json values = json::array();
    for (const RankRound& rank : ranks) {
      const auto found = rank.joules.find(name);
      values.push_back(found == rank.joules.end() ? json(0.0) : finite_or_null(found->second));
    }
    const std::size_t slash = name.find('/');
    kinds[name.substr(0, slash)][name.substr(slash + 1)] = values;
  }
  return kinds;
}

}  // namespace

std::vector<RankRound> gather_rank_rounds(const RankRound& own, const Communicator& comm) {
  struct Counts {
    std::int64_t client_steps, peak_memory_bytes, peak_gpu_bytes;
  };
  const std::vector<Counts> counts =
      comm.all_gather_value(Counts{own.client_steps, own.peak_memory_bytes, own.peak_gpu_bytes});
  std::vector<RankRound> all;
  for (const std::vector<NamedNumbers>& rank : gather_named({own.seconds, own.joules}, comm)) {
    const auto& [client_steps, peak_memory_bytes, peak_gpu_bytes] = counts[all.size()];
    all.push_back({rank.front(), client_steps, peak_memory_bytes, peak_gpu_bytes, rank.back()});
  }
  return all;
}

json RoundRecord::to_json() const {
  json line = {{"round", round.value()},
               {"seconds", seconds},
               {"clients", clients},
               {"counted", counted},
               {"lost", lost},
               {"simulated_seconds", simulated_s},
               {"sent_bytes", sent_bytes},
               {"moved_clients", moved_clients}};
  if (lr) line["lr"] = *lr;
  if (!ranks.empty()) {
    line["client_steps"] = client_steps_of(ranks);
    line["phases"] = phases_of(ranks);
    const json waiting = waiting_of(ranks);
    if (!waiting.is_null()) line["waiting"] = waiting;
    line["peak_memory_bytes"] = over_ranks(
        ranks, [](const RankRound& rank) { return static_cast<double>(rank.peak_memory_bytes); });
    const auto gpu_bytes = [](const RankRound& rank) {
      return static_cast<double>(rank.peak_gpu_bytes);
    };
    if (std::ranges::any_of(ranks, gpu_bytes)) {
      line["peak_gpu_memory_bytes"] = over_ranks(ranks, gpu_bytes);
    }
    if (const json joules = joules_of(ranks); !joules.empty()) line["joules"] = joules;
  }
  return line;
}

}  // namespace harmofl
