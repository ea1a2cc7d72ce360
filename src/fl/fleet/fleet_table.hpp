// SPDX-License-Identifier: Apache-2.0
/// The table of a run's devices, `fleet.table`: a CSV file with a line for a client.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl {

/// What a device is described by, in the order of the columns and of `FleetRow::values`.
enum class DeviceProperty { speed, bandwidth, latency, availability };

/// A property in words and bounds.
struct DevicePropertyInfo {
  std::string_view column;  ///< Name of its column in the table.
  std::string_view key;     ///< Configuration key of its distribution.
  double usual;             ///< Where nothing is given.
  bool may_be_zero;
  double max;              ///< May be infinity.
  std::string_view range;  ///< The bounds in words.
};

constexpr std::size_t device_property_count = 4;

/// The descriptions of all properties, indexed by DeviceProperty.
const std::array<DevicePropertyInfo, device_property_count>& device_properties();

/// Whether `value` may be one of the property's.
bool in_range(const DevicePropertyInfo& property, double value);

/// A line of the table; a value is absent where its column is, or where the field is empty.
struct FleetRow {
  int line = 0;
  std::string client;
  std::array<std::optional<double>, device_property_count> values{};
};

struct FleetTable {
  std::string origin;  ///< The file's name, for errors.
  std::vector<FleetRow> rows;
};

/// Parses CSV text with a header that names at least `client`. Throws UserError, with origin, line
/// and value, for an unknown column, a client that stands there twice, or a value out of range.
FleetTable parse_fleet_table(std::string_view text, const std::string& origin);

/// Reads a file of that kind.
FleetTable read_fleet_table(const std::filesystem::path& path);

}  // namespace harmofl
