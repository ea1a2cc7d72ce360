// SPDX-License-Identifier: Apache-2.0
/// What a run is trained on, so that it never goes on with other data unnoticed.
#pragma once

#include "harmofl/io/shard.hpp"
#include "io/formats/json.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// What a shard holds, as far as the result of a run depends on it.
struct SiteData {
  std::string site;
  std::array<std::int64_t, 3> counts{};    ///< Samples, indexed by Split.
  std::array<std::string, 3> checksums{};  ///< Checksums of the samples as stored, by Split.
  double intensity_scale = 1.0;            ///< Factor of the stored pixels.

  bool operator==(const SiteData&) const = default;
};

/// Data that a run went on with though they were not those before.
struct AcceptedChange {
  std::int64_t rounds_done = 0;      ///< Rounds that were done with the data before.
  std::vector<std::string> changes;  ///< What differed, as `data_changes` says it.

  bool operator==(const AcceptedChange&) const = default;
};

nlohmann::json to_json(const std::vector<SiteData>& sites);
nlohmann::json to_json(const std::vector<AcceptedChange>& changes);

/// The inverses of `to_json`. Throw UserError for other JSON.
std::vector<SiteData> parse_site_data(const JsonValue& sites);
std::vector<AcceptedChange> parse_accepted_changes(const JsonValue& changes);

/// What differs between the data of a run and those that are there now, a phrase each; empty where
/// nothing does. The order counts: clients are numbered by it.
std::vector<std::string> data_changes(const std::vector<SiteData>& before,
                                      const std::vector<SiteData>& now);

}  // namespace harmofl
