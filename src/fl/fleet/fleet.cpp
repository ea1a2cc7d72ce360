// SPDX-License-Identifier: Apache-2.0
#include "fl/fleet/fleet.hpp"

#include "fl/fleet/distribution.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/csv.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <map>

namespace harmofl {
namespace {

/// The fields of a profile, indexed by DeviceProperty.
constexpr std::array<double DeviceProfile::*, device_property_count> fields{
    &DeviceProfile::speed, &DeviceProfile::bandwidth_mbit_s, &DeviceProfile::latency_s,
    &DeviceProfile::availability};

/// The texts of the distributions, indexed by DeviceProperty.
std::array<std::string, device_property_count> texts(const FleetOptions& options) {
  return {options.speed, options.bandwidth, options.latency, options.availability};
}

bool any_distribution(const FleetOptions& options) {
  for (const std::string& text : texts(options)) {
    if (!text.empty()) return true;
  }
  return false;
}

void check(const FleetOptions& options) {
  const auto number = [](const char* key, double value, double max, const char* range) {
    HARMOFL_VALIDATE(value >= 0.0 && value <= max && std::isfinite(value), key, " = ", value,
                     " is not ", range, ". Change it.");
  };
  const double infinity = std::numeric_limits<double>::infinity();
  number("fleet.sample_time", options.sample_time_s, infinity, "a number of at least 0 seconds");
  number("fleet.deadline", options.deadline_s, infinity, "a number of at least 0 seconds");
  number("fleet.drop_before", options.drop_before, 1.0, "a probability from 0 to 1");
  number("fleet.drop_after", options.drop_after, 1.0, "a probability from 0 to 1");
}

/// Gives every client what its property's distribution says. The rounds before the first key the
/// draws, one a property: so they meet no round's, and changing one distribution changes no other
/// property.
void draw_profiles(const FleetOptions& options, std::uint64_t seed,
                   std::vector<DeviceProfile>& profiles) {
  for (std::size_t p = 0; p < device_property_count; ++p) {
    const std::string text = texts(options)[p];
    if (text.empty()) continue;
    const Distribution distribution(device_properties()[p], text);
    const RoundId before_all(-1 - static_cast<std::int64_t>(p));
    for (std::size_t i = 0; i < profiles.size(); ++i) {
      RngStream rng(seed, before_all, ClientId(static_cast<std::int64_t>(i)), RngPurpose::fleet);
      profiles[i].*fields[p] = distribution.draw(rng);
    }
  }
}

/// Puts the table's values over what is there; says which clients have a line.
std::vector<bool> apply(const FleetTable& table, const std::vector<std::string>& clients,
                        std::vector<DeviceProfile>& profiles) {
  std::map<std::string, std::size_t> index;
  for (std::size_t i = 0; i < clients.size(); ++i) index[clients[i]] = i;
  std::vector<bool> found(clients.size(), false);
  for (const FleetRow& row : table.rows) {
    const auto client = index.find(row.client);
    HARMOFL_VALIDATE(client != index.end(), table.origin, ":", row.line, ": client '", row.client,
                     "' is none of this run's.", suggestion(row.client, clients),
                     " Correct the name or remove the line.");
    found[client->second] = true;
    for (std::size_t p = 0; p < device_property_count; ++p) {
      if (row.values[p]) profiles[client->second].*fields[p] = *row.values[p];
    }
  }
  return found;
}

FleetTable table_of(const FleetOptions& options) {
  return options.table.empty() ? FleetTable{} : read_fleet_table(options.table);
}

}  // namespace

bool FleetOptions::active() const {
  return !table.empty() || any_distribution(*this) || sample_time_s > 0.0 || deadline_s > 0.0 ||
         drop_before > 0.0 || drop_after > 0.0;
}

Fleet::Fleet(const FleetOptions& options, const std::vector<std::string>& clients,
             std::uint64_t seed)
    : Fleet(options, clients, seed, table_of(options)) {}

Fleet::Fleet(const FleetOptions& options, const std::vector<std::string>& clients,
             std::uint64_t seed, const FleetTable& table)
    : options_(options), clients_(clients), profiles_(clients.size()) {
  check(options);
  draw_profiles(options, seed, profiles_);
  if (table.rows.empty() && options.table.empty()) return;
  const std::vector<bool> found = apply(table, clients, profiles_);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    HARMOFL_VALIDATE(found[i] || any_distribution(options), table.origin, ": client '", clients[i],
                     "' has no line, and no distribution says what its device is. Add a line, or ",
                     "set fleet.speed for the clients without one.");
  }
}

std::string Fleet::to_csv() const {
  std::string csv = "client";
  for (const DevicePropertyInfo& property : device_properties()) {
    csv += concat(",", property.column);
  }
  csv += "\n";
  for (std::size_t i = 0; i < profiles_.size(); ++i) {
    csv += csv_field(clients_[i]);
    for (const auto field : fields) csv += concat(",", exact_text(profiles_[i].*field));
    csv += "\n";
  }
  return csv;
}

}  // namespace harmofl
