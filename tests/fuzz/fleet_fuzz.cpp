// SPDX-License-Identifier: Apache-2.0
#include "fl/fleet/fleet_table.hpp"
#include "fuzz/targets.hpp"

namespace harmofl::fuzz {

void fleet(std::string_view input) {
  for (const FleetRow& row : parse_fleet_table(input, "fleet.csv").rows) {
    for (std::size_t p = 0; p < device_property_count; ++p) {
      require(!row.values[p] || in_range(device_properties()[p], *row.values[p]),
              "values are in range");
    }
  }
}

}  // namespace harmofl::fuzz
