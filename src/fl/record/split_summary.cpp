// SPDX-License-Identifier: Apache-2.0
#include "fl/record/split_summary.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace harmofl {
namespace {

using nlohmann::json;

MetricValues parse_metric_values(const JsonValue& table) {
  MetricValues values;
  for (const auto& [name, value] : table.members()) values[name] = value.number();
  return values;
}

/// Whether `value` is worse than `other`; what is no number is the worst.
bool is_worse(const std::string& measure, double value, double other) {
  if (std::isnan(value) || std::isnan(other)) return std::isnan(value) && !std::isnan(other);
  return lower_is_better(measure) ? value > other : value < other;
}

/// One measure's values by site.
struct SiteColumn {
  std::vector<std::string> sites;
  std::vector<double> values;
  std::int64_t undefined = 0;
};

std::map<std::string, SiteColumn> columns_of(const SiteValues& sites) {
  std::map<std::string, SiteColumn> columns;
  for (const auto& [site, values] : sites) {
    for (const auto& [name, value] : values) {
      SiteColumn& column = columns[name];
      if (std::isnan(value) && may_be_undefined(name)) {
        ++column.undefined;
        continue;
      }
      column.sites.push_back(site);
      column.values.push_back(value);
    }
  }
  return columns;
}

double weighted_mean(const SiteColumn& column, const std::map<std::string, double>& samples) {
  double sum = 0.0, weight = 0.0;
  for (std::size_t i = 0; i < column.sites.size(); ++i) {
    const auto found = samples.find(column.sites[i]);
    if (found == samples.end()) return std::numeric_limits<double>::quiet_NaN();
    sum += found->second * column.values[i];
    weight += found->second;
  }
  return sum / weight;
}

OverSites statistics_of(const std::string& name, const SiteColumn& column,
                        const std::map<std::string, double>& samples) {
  OverSites found;
  found.undefined = column.undefined;
  found.defined = std::ssize(column.values);
  found.spread = spread(column.values);
  if (column.values.empty()) found.spread.mean = std::numeric_limits<double>::quiet_NaN();
  found.weighted = weighted_mean(column, samples);
  for (std::size_t i = 0; i < column.values.size(); ++i) {
    if (i > 0 && !is_worse(name, column.values[i], found.worst_value)) continue;
    found.worst = column.sites[i];
    found.worst_value = column.values[i];
  }
  return found;
}

json values_table(const SiteValues& values, const std::map<std::string, double>& samples,
                  const MetricValues& pooled) {
  json table = {{"sites", to_json(values)}, {"mean", json::object()}, {"std", json::object()}};
  const bool counted = !samples.empty();
  if (counted) table["pooled"] = metrics_json(pooled);
  for (const auto& [name, found] : over_sites(values, samples)) {
    table["mean"][name] = finite_or_null(found.spread.mean);
    table["std"][name] = found.spread.std ? finite_or_null(*found.spread.std) : json(nullptr);
    if (found.undefined > 0) table["undefined"][name] = found.undefined;
    if (!counted) continue;
    table["weighted"][name] = finite_or_null(found.weighted);
    if (found.defined == 0) continue;
    table["worst"][name] = {{"site", found.worst}, {"value", finite_or_null(found.worst_value)}};
  }
  return table;
}

/// The measures of all samples together; the loss, which is of batches, weighted by samples.
MetricValues pooled_values(const SplitSummary& summary, const SampleTable& all,
                           const MeasureOptions& measures) {
  MetricValues values = measured_values(all, measures);
  const auto statistics = over_sites(summary.sites, summary.samples);
  const auto loss = statistics.find("loss");
  if (loss != statistics.end()) values["loss"] = loss->second.weighted;
  return values;
}

}  // namespace

json finite_or_null(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

json metrics_json(const MetricValues& values) {
  json table = json::object();
  for (const auto& [name, value] : values) table[name] = finite_or_null(value);
  return table;
}

SplitSummary summarize(const std::vector<Score>& scores, Split split,
                       const MeasureOptions& measures, const std::vector<std::string>& class_names,
                       const std::function<std::string(ClientId)>& name_of) {
  SplitSummary summary;
  SampleTable all;
  for (const Score& score : scores) {
    if (score.split != split || score.values.empty()) continue;
    const std::string site = name_of(score.client);
    if (site.empty()) continue;
    summary.sites[site] = score.values;
    if (score.samples.samples() == 0) continue;
    summary.samples[site] = static_cast<double>(score.samples.samples());
    summary.classes[site] = class_values(score.samples, measures, class_names);
    all.append(score.samples);
  }
  if (all.samples() == 0) return summary;
  summary.pooled = pooled_values(summary, all, measures);
  summary.pooled_classes = class_values(all, measures, class_names);
  return summary;
}

std::map<std::string, OverSites> over_sites(const SiteValues& values,
                                            const std::map<std::string, double>& samples) {
  std::map<std::string, OverSites> found;
  for (const auto& [name, column] : columns_of(values)) {
    found[name] = statistics_of(name, column, samples);
  }
  return found;
}

double mean_over_sites(const std::string& measure, const std::vector<double>& values) {
  std::vector<double> defined = values;
  if (may_be_undefined(measure)) {
    std::erase_if(defined, [](double value) { return std::isnan(value); });
  }
  return defined.empty() ? std::numeric_limits<double>::quiet_NaN() : spread(defined).mean;
}

json summary_table(const SplitSummary& summary) {
  json table = values_table(summary.sites, summary.samples, summary.pooled);
  if (summary.samples.empty()) return table;
  table["samples"] = summary.samples;
  table["classes"] = values_table(summary.classes, summary.samples, summary.pooled_classes);
  return table;
}

json to_json(const SiteValues& sites) {
  json table = json::object();
  for (const auto& [site, values] : sites) table[site] = metrics_json(values);
  return table;
}

SiteValues parse_site_values(const JsonValue& table) {
  SiteValues sites;
  for (const auto& [site, values] : table.members()) sites[site] = parse_metric_values(values);
  return sites;
}

json details_to_json(const SplitSummary& summary) {
  return {{"samples", summary.samples},
          {"pooled", metrics_json(summary.pooled)},
          {"classes", to_json(summary.classes)},
          {"pooled_classes", metrics_json(summary.pooled_classes)}};
}

void parse_details(const JsonValue& details, SplitSummary& summary) {
  for (const auto& [site, count] : details.at("samples").members()) {
    summary.samples[site] = count.finite();
  }
  summary.pooled = parse_metric_values(details.at("pooled"));
  summary.classes = parse_site_values(details.at("classes"));
  summary.pooled_classes = parse_metric_values(details.at("pooled_classes"));
}

}  // namespace harmofl
