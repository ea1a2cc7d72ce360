// SPDX-License-Identifier: Apache-2.0
#include "fl/record/run_log.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>
#include <optional>
#include <set>

namespace harmofl {
namespace {

using nlohmann::json;
using SiteValues = std::map<std::string, MetricValues>;

/// Mean of `metric` over the scores of `split`; nothing when there are none.
std::optional<double> mean_of(const std::vector<Score>& scores, Split split,
                              const std::string& metric) {
  std::vector<double> values;
  for (const Score& score : scores) {
    const auto found = score.values.find(metric);
    if (score.split == split && found != score.values.end()) values.push_back(found->second);
  }
  if (values.empty()) return std::nullopt;
  return spread(values).mean;
}

/// JSON has no NaN: a value that is not finite becomes null.
json number(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json to_json(const SiteValues& sites) {
  json table = json::object();
  for (const auto& [site, values] : sites) {
    for (const auto& [name, value] : values) table[site][name] = number(value);
  }
  return table;
}

/// The inverse of `to_json`, with NaN for null.
SiteValues from_json(const json& table) {
  SiteValues sites;
  for (const auto& [site, values] : table.items()) {
    for (const auto& [name, value] : values.items()) {
      sites[site][name] =
          value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
    }
  }
  return sites;
}

json table_of(const SiteValues& sites) {
  json table = {{"sites", to_json(sites)}, {"mean", json::object()}, {"std", json::object()}};
  std::map<std::string, std::vector<double>> columns;
  for (const auto& [site, values] : sites) {
    for (const auto& [name, value] : values) columns[name].push_back(value);
  }
  for (const auto& [name, values] : columns) {
    const auto [mean, std] = spread(values);
    table["mean"][name] = number(mean);
    table["std"][name] = std ? number(*std) : json(nullptr);
  }
  return table;
}

}  // namespace

RunLog::RunLog(const Federation& federation, const RunFolder* folder)
    : federation_(federation), folder_(folder) {}

bool RunLog::record(RoundId round, const std::vector<Score>& scores) {
  std::string lines;
  SiteValues val, test;
  for (const Score& score : scores) {
    if (score.values.empty()) continue;
    const auto& members =
        score.split == Split::train ? federation_.members : federation_.measured();
    const std::string& site = members.at(score.client.position()).site;
    json line = {{"round", round.value()}, {"site", site}, {"split", to_string(score.split)}};
    for (const auto& [name, value] : score.values) line[name] = number(value);
    line["seconds"] = score.seconds;
    lines += line.dump() + "\n";
    if (score.split == Split::val) val[site] = score.values;
    if (score.split == Split::test) test[site] = score.values;
  }
  if (folder_ != nullptr) folder_->append_metrics(lines);

  const std::string metric(main_metric(federation_.shape.task));
  const auto value = mean_of(scores, Split::val, metric);
  if (!value || (best_round_ >= 0 && !(*value > best_value_))) return false;
  best_round_ = round.value();
  best_value_ = *value;
  best_val_ = std::move(val);
  best_test_ = std::move(test);
  return true;
}

void RunLog::record(const RoundRecord& round) {
  if (folder_ != nullptr) folder_->append_rounds(round.to_json().dump() + "\n");
  simulated_s_ += round.simulated_s;
  for (const auto& [reason, clients] : round.lost) lost_[reason] += clients;
}

std::string RunLog::headline(const std::vector<Score>& scores) const {
  const std::string metric(main_metric(federation_.shape.task));
  std::vector<std::string> parts;
  const auto add = [&](Split split, const std::string& name, const std::string& text) {
    if (const auto value = mean_of(scores, split, name)) {
      parts.push_back(concat(text, " ", fixed(*value, 4)));
    }
  };
  add(Split::train, "loss", "train loss");
  add(Split::val, metric, "val " + metric);
  add(Split::test, metric, "test " + metric);
  return join(parts);
}

json RunLog::summary(const std::string& method, RoundId rounds_done,
                     const std::map<std::string, double>& seconds, std::int64_t sent_bytes) const {
  return {{"method", method},           {"rounds", rounds_done.value()},
          {"best_round", best_round_},  {"metric", main_metric(federation_.shape.task)},
          {"val", table_of(best_val_)}, {"test", table_of(best_test_)},
          {"seconds", seconds},         {"sent_bytes_a_client", sent_bytes},
          {"lost_updates", lost_},      {"simulated_seconds", simulated_s_}};
}

json RunLog::save() const {
  return {{"best_round", best_round_},      {"best_value", best_value_},
          {"best_val", to_json(best_val_)}, {"best_test", to_json(best_test_)},
          {"lost_updates", lost_},          {"simulated_seconds", simulated_s_}};
}

void RunLog::load(const json& state) {
  best_round_ = state.at("best_round");
  best_value_ = state.at("best_value");
  best_val_ = from_json(state.at("best_val"));
  best_test_ = from_json(state.at("best_test"));
  lost_ = state.value("lost_updates", lost_);
  simulated_s_ = state.value("simulated_seconds", simulated_s_);
}

}  // namespace harmofl
