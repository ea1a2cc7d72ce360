// SPDX-License-Identifier: Apache-2.0
/// The measures of one split over the sites that were measured: by site, their means, all samples
/// together, the worst site.
#pragma once

#include "fl/local/evaluation.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Values by site.
using SiteValues = std::map<std::string, MetricValues>;

struct SplitSummary {
  SiteValues sites;
  std::map<std::string, double> samples;  ///< Number by site; empty where it is not known.
  MetricValues pooled;                    ///< Of all samples of all sites as if of one.
  SiteValues classes;                     ///< Of single classes, "f1[tumour]".
  MetricValues pooled_classes;
};

/// Summarises the scores of `split` that `name_of` gives a site's name; "" leaves one out.
SplitSummary summarize(const std::vector<Score>& scores, Split split,
                       const MeasureOptions& measures, const std::vector<std::string>& class_names,
                       const std::function<std::string(ClientId)>& name_of);

/// Statistics of one measure over sites. A site where the measure is undefined (an AUC without one
/// of the classes) is left out and counted; a value that is not finite for another reason counts.
struct OverSites {
  Spread spread;
  double weighted = 0.0;  ///< Mean weighted by samples; NaN where their numbers are not known.
  std::string worst;      ///< The site with the worst value, the first of equals; "" of none.
  double worst_value = 0.0;
  std::int64_t defined = 0;    ///< Number of sites that have a value.
  std::int64_t undefined = 0;  ///< Number of sites that were left out.
};

/// Of every measure of `values`, by its name.
std::map<std::string, OverSites> over_sites(const SiteValues& values,
                                            const std::map<std::string, double>& samples);

/// Mean of a measure's values, of those that are defined; NaN where there is none.
double mean_over_sites(const std::string& measure, const std::vector<double>& values);

/// As summary.json has it, with null for what is not finite: {"sites": {site: {measure: value}},
/// "mean": {measure: value}, "std": ...} and, where the samples are known, "samples", "weighted",
/// "pooled", "worst": {measure: {"site", "value"}}, "classes" (of the same form), and "undefined":
/// {measure: sites} where there are some.
nlohmann::json summary_table(const SplitSummary& summary);

/// For checkpoints: the values of the sites, the rest, and back. Throw UserError for other JSON.
nlohmann::json to_json(const SiteValues& sites);
SiteValues parse_site_values(const JsonValue& table);
nlohmann::json details_to_json(const SplitSummary& summary);
void parse_details(const JsonValue& details, SplitSummary& summary);

/// JSON has no NaN: a value that is not finite becomes null.
nlohmann::json finite_or_null(double value);
/// Values by name, as `finite_or_null` writes each.
nlohmann::json metrics_json(const MetricValues& values);

}  // namespace harmofl
