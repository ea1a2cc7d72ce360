// SPDX-License-Identifier: Apache-2.0
#include "fl/fleet/fleet_table.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"
#include "io/formats/csv.hpp"

#include <algorithm>
#include <limits>
#include <map>

namespace harmofl {
namespace {

constexpr const char* client_column = "client";
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double largest = std::numeric_limits<double>::max();

void check_columns(const CsvTable& csv, const std::string& origin) {
  std::vector<std::string> known{client_column};
  for (const DevicePropertyInfo& property : device_properties()) {
    known.emplace_back(property.column);
  }
  for (const std::string& column : csv.columns) {
    HARMOFL_VALIDATE(std::ranges::find(known, column) != known.end(), origin,
                     ":1: ", unknown(concat("the column '", column, "'"), column, known));
  }
  HARMOFL_VALIDATE(csv.has(client_column), origin, ":1: there is no column '", client_column,
                   "', so no line says whose it is. Add it.");
}

std::optional<double> value_of(const DevicePropertyInfo& property, const std::string& field,
                               const std::string& place) {
  if (field.empty()) return std::nullopt;
  const std::optional<double> value = parse_number(field);
  HARMOFL_VALIDATE(value && in_range(property, *value), place, property.column, " = ", field,
                   " is not ", property.range, ". Correct it, or leave the field empty to take ",
                   property.key, ".");
  return value;
}

FleetTable table_of(const CsvTable& csv, const std::string& origin) {
  check_columns(csv, origin);
  FleetTable table{origin, {}};
  std::map<std::string, int> seen;
  for (std::size_t i = 0; i < csv.rows.size(); ++i) {
    FleetRow& row = table.rows.emplace_back();
    row.line = csv.lines[i];
    row.client = csv.rows[i].at(client_column);
    const std::string place = concat(origin, ":", row.line, ": ");
    const auto [first, added] = seen.emplace(row.client, row.line);
    HARMOFL_VALIDATE(added, place, "client '", row.client, "' already stands in line ",
                     first->second, ". Remove one of the two.");
    for (std::size_t p = 0; p < device_property_count; ++p) {
      const DevicePropertyInfo& property = device_properties()[p];
      const auto field = csv.rows[i].find(std::string(property.column));
      if (field != csv.rows[i].end()) row.values[p] = value_of(property, field->second, place);
    }
  }
  return table;
}

}  // namespace

const std::array<DevicePropertyInfo, device_property_count>& device_properties() {
  static constexpr std::array<DevicePropertyInfo, device_property_count> properties{{
      {"speed", "fleet.speed", 1.0, false, largest, "a number above 0"},
      {"bandwidth_mbit_s", "fleet.bandwidth", infinity, false, infinity,
       "a number above 0, or inf"},
      {"latency_s", "fleet.latency", 0.0, true, largest, "a number of at least 0"},
      {"availability", "fleet.availability", 1.0, true, 1.0, "a number from 0 to 1"},
  }};
  return properties;
}

bool in_range(const DevicePropertyInfo& property, double value) {
  return (property.may_be_zero ? value >= 0.0 : value > 0.0) && value <= property.max;
}

FleetTable parse_fleet_table(std::string_view text, const std::string& origin) {
  return table_of(parse_csv(text, origin), origin);
}

FleetTable read_fleet_table(const std::filesystem::path& path) {
  return table_of(read_csv(path), path.string());
}

}  // namespace harmofl
