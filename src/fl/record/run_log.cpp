// SPDX-License-Identifier: Apache-2.0
#include "fl/record/run_log.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <optional>

namespace harmofl {
namespace {

using nlohmann::json;

/// Mean of `metric` over the scores of `split`, sites held out aside; nothing when there are none.
std::optional<double> mean_of(const std::vector<Score>& scores, Split split,
                              const std::string& metric, const Federation& federation) {
  std::vector<double> values;
  for (const Score& score : scores) {
    if (score.split != split) continue;
    if (split != Split::train && federation.is_held_out(score.client)) continue;
    const auto found = score.values.find(metric);
    if (found != score.values.end()) values.push_back(found->second);
  }
  if (values.empty()) return std::nullopt;
  return mean_over_sites(metric, values);
}

/// Whether `value` of a measure is better than `best`: any number is better than none.
bool is_better(const std::string& measure, double value, double best) {
  if (std::isnan(value) || std::isnan(best)) return std::isnan(best) && !std::isnan(value);
  return lower_is_better(measure) ? value < best : value > best;
}

}  // namespace

RunLog::RunLog(const Federation& federation, const RunFolder* folder, const RunLogOptions& options)
    : federation_(federation),
      folder_(folder),
      best_by_(options.best_by.empty() ? main_metric(federation.shape.task) : options.best_by),
      measures_(with_names({federation.shape.task, federation.shape.classes, options.measures})) {}

SplitSummary RunLog::summary_of(const std::vector<Score>& scores, Split split,
                                bool held_out) const {
  return summarize(scores, split, measures_, federation_.class_names, [&](ClientId id) {
    return federation_.is_held_out(id) == held_out ? federation_.measured_at(id).site : "";
  });
}

bool RunLog::record(RoundId round, const std::vector<Score>& scores) {
  std::string lines;
  for (const Score& score : scores) {
    if (score.values.empty()) continue;
    const bool train = score.split == Split::train;
    const Member& member = train ? federation_.members.at(score.client.position())
                                 : federation_.measured_at(score.client);
    json line = {
        {"round", round.value()}, {"site", member.site}, {"split", to_string(score.split)}};
    if (!train && federation_.is_held_out(score.client)) line["held_out"] = true;
    for (const auto& [name, value] : score.values) line[name] = finite_or_null(value);
    line["seconds"] = score.seconds;
    lines += line.dump() + "\n";
  }
  if (folder_ != nullptr) folder_->append_metrics(lines);

  const auto value = mean_of(scores, Split::val, best_by_, federation_);
  if (!value) return false;
  ++state_.without_gain;
  if (state_.best_round >= 0 && !is_better(best_by_, *value, state_.best_value)) return false;
  state_.best_round = round.value();
  state_.best_value = *value;
  state_.without_gain = 0;
  state_.best_val = summary_of(scores, Split::val, false);
  state_.best_test = summary_of(scores, Split::test, false);
  state_.new_val = summary_of(scores, Split::val, true);
  state_.new_test = summary_of(scores, Split::test, true);
  return true;
}

void RunLog::record(const RoundRecord& round) {
  if (folder_ != nullptr) folder_->append_rounds(round.to_json().dump() + "\n");
  state_.simulated_s += round.simulated_s;
  for (const auto& [reason, clients] : round.lost) state_.lost[reason] += clients;
  for (const RankRound& rank : round.ranks) add_joules(rank.joules);
  const auto measured = [](const RankRound& rank) { return !rank.joules.empty(); };
  if (std::ranges::any_of(round.ranks, measured)) ++state_.joules_rounds;
}

void RunLog::add_joules(const std::map<std::string, double>& joules) {
  for (const auto& [name, value] : joules) state_.joules[name] += value;
}

std::string RunLog::headline(const std::vector<Score>& scores) const {
  std::vector<std::string> parts;
  const auto add = [&](Split split, const std::string& name, const std::string& text) {
    if (const auto value = mean_of(scores, split, name, federation_)) {
      parts.push_back(concat(text, " ", fixed(*value, 4)));
    }
  };
  add(Split::train, "loss", "train loss");
  add(Split::val, best_by_, "val " + best_by_);
  add(Split::test, best_by_, "test " + best_by_);
  return join(parts);
}

json RunLog::summary(const std::string& method, RoundId rounds_done,
                     const std::map<std::string, double>& seconds, std::int64_t sent_bytes) const {
  json found = {{"method", method},
                {"rounds", rounds_done.value()},
                {"best_round", state_.best_round},
                {"metric", best_by_},
                {"val", summary_table(state_.best_val)},
                {"test", summary_table(state_.best_test)},
                {"seconds", seconds},
                {"sent_bytes_a_client", sent_bytes},
                {"lost_updates", state_.lost},
                {"simulated_seconds", state_.simulated_s}};
  if (!federation_.held_out.empty()) {
    found["held_out"] = {{"val", summary_table(state_.new_val)},
                         {"test", summary_table(state_.new_test)}};
  }
  if (need_surfaces(measures_.names)) {
    found["distance_unit"] = federation_.spacing.empty() ? "pixel" : "mm";
  }
  return found;
}

json to_json(const RunLogState& state) {
  json found = {
      {"best_round", state.best_round},
      {"best_value", finite_or_null(state.best_value)},
      {"without_gain", state.without_gain},
      {"best_val", to_json(state.best_val.sites)},
      {"best_test", to_json(state.best_test.sites)},
      {"best_details",
       {{"val", details_to_json(state.best_val)}, {"test", details_to_json(state.best_test)}}},
      {"held_out",
       {{"val", to_json(state.new_val.sites)},
        {"test", to_json(state.new_test.sites)},
        {"val_details", details_to_json(state.new_val)},
        {"test_details", details_to_json(state.new_test)}}},
      {"lost_updates", state.lost},
      {"simulated_seconds", finite_or_null(state.simulated_s)}};
  if (state.joules.empty()) return found;
  for (const auto& [name, value] : state.joules) found["joules"][name] = finite_or_null(value);
  found["joules_rounds"] = state.joules_rounds;
  return found;
}

RunLogState parse_log_state(const JsonValue& value, std::int64_t rounds_done) {
  RunLogState state;
  state.best_round = value.at("best_round").whole({-1, rounds_done - 1});
  state.best_value = value.at("best_value").number();
  state.best_val.sites = parse_site_values(value.at("best_val"));
  state.best_test.sites = parse_site_values(value.at("best_test"));
  // What older versions did not keep.
  if (const auto rounds = value.find("without_gain")) {
    state.without_gain = rounds->whole({0, rounds_done});
  }
  if (const auto details = value.find("best_details")) {
    parse_details(details->at("val"), state.best_val);
    parse_details(details->at("test"), state.best_test);
  }
  if (const auto held_out = value.find("held_out")) {
    state.new_val.sites = parse_site_values(held_out->at("val"));
    state.new_test.sites = parse_site_values(held_out->at("test"));
    parse_details(held_out->at("val_details"), state.new_val);
    parse_details(held_out->at("test_details"), state.new_test);
  }
  if (const auto lost = value.find("lost_updates")) {
    for (const auto& [reason, clients] : lost->members()) state.lost[reason] = clients.whole({0});
  }
  if (const auto seconds = value.find("simulated_seconds")) state.simulated_s = seconds->number();
  if (const auto joules = value.find("joules")) {
    for (const auto& [name, used] : joules->members()) state.joules[name] = used.number();
    state.joules_rounds = value.at("joules_rounds").whole({0, rounds_done});
  }
  return state;
}

}  // namespace harmofl
