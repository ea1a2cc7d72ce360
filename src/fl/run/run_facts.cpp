// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_facts.hpp"

#include "harmofl/base/error.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json.hpp>

#include <limits>
#include <set>
#include <utility>

namespace harmofl {
namespace {

using nlohmann::json;

constexpr const char* remedy = "Resume from another checkpoint of the run, or start the run anew.";
/// MPI numbers ranks by `int`.
constexpr std::int64_t max_ranks = std::numeric_limits<std::int32_t>::max();
/// Half of what int64 holds: adding the messages of further rounds does not overflow.
constexpr std::int64_t max_sent_bytes = std::numeric_limits<std::int64_t>::max() / 2;

std::map<std::string, double> parse_seconds(const JsonValue& value) {
  std::map<std::string, double> seconds;
  for (const auto& [phase, member] : value.members()) seconds[phase] = member.finite();
  return seconds;
}

std::vector<std::string> parse_clients(const JsonValue& value) {
  std::vector<std::string> clients;
  std::set<std::string> seen;
  for (const JsonValue& item : value.items()) {
    clients.push_back(item.text());
    if (!seen.insert(clients.back()).second) item.fail("names a client that was named before");
  }
  return clients;
}

std::vector<Rank> parse_placement(const JsonValue& value, std::size_t clients, std::int64_t ranks) {
  std::vector<Rank> placement;
  for (const JsonValue& item : value.items()) placement.emplace_back(item.whole({0, ranks - 1}));
  if (placement.size() != clients) {
    value.fail(
        concat("expected a rank for each of ", clients, " clients, found ", placement.size()));
  }
  return placement;
}

RunProgress parse_progress(const JsonValue& facts, std::int64_t rounds_done) {
  RunProgress progress;
  progress.log = parse_log_state(facts.at("log"), rounds_done);
  if (const auto seconds = facts.find("seconds")) progress.seconds = parse_seconds(*seconds);
  if (const auto sent = facts.find("sent_bytes")) {
    progress.sent_bytes = sent->whole({0, max_sent_bytes});
  }
  if (const auto clients = facts.find("clients")) progress.clients = parse_clients(*clients);
  if (const auto ranks = facts.find("ranks")) {
    progress.ranks = ranks->whole({1, max_ranks});
    progress.placement =
        parse_placement(facts.at("placement"), progress.clients.size(), progress.ranks);
  }
  if (const auto data = facts.find("data")) progress.data = parse_site_data(*data);
  if (const auto changes = facts.find("accepted_changes")) {
    progress.accepted_changes = parse_accepted_changes(*changes);
  }
  return progress;
}

}  // namespace

std::string to_json(const RunFacts& facts) {
  json value = {{"amplitude_frozen", facts.amplitude_frozen}};
  if (facts.trained_on) value["trained_on"] = to_json(*facts.trained_on);
  if (facts.progress) {
    const RunProgress& progress = *facts.progress;
    value["log"] = to_json(progress.log);
    value["seconds"] = progress.seconds;
    value["sent_bytes"] = progress.sent_bytes;
    value["clients"] = progress.clients;
    value["placement"] = json::array();
    for (const Rank rank : progress.placement) value["placement"].push_back(rank.value());
    value["ranks"] = progress.ranks;
    if (progress.data) value["data"] = to_json(*progress.data);
    value["accepted_changes"] = to_json(progress.accepted_changes);
  }
  return value.dump();
}

RunFacts parse_facts(const CheckpointInfo& info, const std::filesystem::path& path) {
  const std::string place = concat(path.string(), ": attribute 'state'");
  json value;
  try {
    value = parse_json(info.state, max_json_depth);
  } catch (const JsonError& error) {
    throw UserError(concat(place, " ", error.what(), ". ", remedy));
  }
  const JsonValue facts(value, place, remedy);
  RunFacts found;
  found.amplitude_frozen = facts.at("amplitude_frozen").boolean();
  if (const auto on = facts.find("trained_on")) found.trained_on = parse_trained_on(*on);
  if (facts.find("log")) found.progress = parse_progress(facts, info.rounds_done);
  return found;
}

}  // namespace harmofl
