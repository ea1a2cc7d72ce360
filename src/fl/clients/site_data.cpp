// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/site_data.hpp"

#include "harmofl/base/text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>

namespace harmofl {
namespace {

using nlohmann::json;

constexpr std::int64_t max_count = std::numeric_limits<std::int64_t>::max();

std::vector<JsonValue> items_by_split(const JsonValue& list) {
  std::vector<JsonValue> items = list.items();
  if (items.size() != all_splits.size()) {
    list.fail(concat("expected ", all_splits.size(), " values, found ", items.size()));
  }
  return items;
}

const SiteData* find(const std::vector<SiteData>& sites, const std::string& name) {
  const auto found = std::ranges::find(sites, name, &SiteData::site);
  return found == sites.end() ? nullptr : &*found;
}

/// Names of the sites that `others` has too, in their order.
std::vector<std::string> shared_names(const std::vector<SiteData>& sites,
                                      const std::vector<SiteData>& others) {
  std::vector<std::string> names;
  for (const SiteData& site : sites) {
    if (find(others, site.site) != nullptr) names.push_back(site.site);
  }
  return names;
}

void add_changes(const SiteData& before, const SiteData& now, std::vector<std::string>& changes) {
  for (const Split split : all_splits) {
    const auto i = static_cast<std::size_t>(split);
    if (before.counts[i] != now.counts[i]) {
      changes.push_back(concat(now.site, " has ", now.counts[i], " ", to_string(split),
                               " samples, not ", before.counts[i]));
    } else if (before.checksums[i] != now.checksums[i]) {
      changes.push_back(concat(now.site, " has other ", to_string(split), " samples (checksum ",
                               now.checksums[i], ", not ", before.checksums[i], ")"));
    }
  }
  if (before.intensity_scale != now.intensity_scale) {
    changes.push_back(concat(now.site, " has the intensity scale ", now.intensity_scale, ", not ",
                             before.intensity_scale));
  }
}

}  // namespace

json to_json(const std::vector<SiteData>& sites) {
  json list = json::array();
  for (const SiteData& site : sites) {
    list.push_back({{"site", site.site},
                    {"samples", site.counts},
                    {"xxh3", site.checksums},
                    {"intensity_scale", site.intensity_scale}});
  }
  return list;
}

json to_json(const std::vector<AcceptedChange>& changes) {
  json list = json::array();
  for (const AcceptedChange& change : changes) {
    list.push_back({{"rounds_done", change.rounds_done}, {"changes", change.changes}});
  }
  return list;
}

std::vector<SiteData> parse_site_data(const JsonValue& sites) {
  std::vector<SiteData> found;
  for (const JsonValue& item : sites.items()) {
    SiteData& site = found.emplace_back();
    site.site = item.at("site").text();
    site.intensity_scale = item.at("intensity_scale").finite();
    const auto counts = items_by_split(item.at("samples"));
    const auto checksums = items_by_split(item.at("xxh3"));
    for (std::size_t i = 0; i < all_splits.size(); ++i) {
      site.counts[i] = counts[i].whole({0, max_count});
      site.checksums[i] = checksums[i].text();
    }
  }
  return found;
}

std::vector<AcceptedChange> parse_accepted_changes(const JsonValue& changes) {
  std::vector<AcceptedChange> found;
  for (const JsonValue& item : changes.items()) {
    AcceptedChange& change = found.emplace_back();
    change.rounds_done = item.at("rounds_done").whole({0, max_count});
    for (const JsonValue& text : item.at("changes").items()) change.changes.push_back(text.text());
  }
  return found;
}

std::vector<std::string> data_changes(const std::vector<SiteData>& before,
                                      const std::vector<SiteData>& now) {
  std::vector<std::string> changes;
  for (const SiteData& site : before) {
    if (find(now, site.site) == nullptr) changes.push_back(concat(site.site, " is missing"));
  }
  for (const SiteData& site : now) {
    const SiteData* known = find(before, site.site);
    if (known == nullptr) changes.push_back(concat(site.site, " is new"));
    if (known != nullptr) add_changes(*known, site, changes);
  }
  const auto order = shared_names(now, before);
  const auto former_order = shared_names(before, now);
  if (order != former_order) {
    changes.push_back(
        concat("the sites come in the order ", join(order), ", not ", join(former_order)));
  }
  return changes;
}

}  // namespace harmofl
