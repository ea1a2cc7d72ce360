// SPDX-License-Identifier: Apache-2.0
/// What `fleet.speed` and its like say.
#pragma once

#include "fl/fleet/fleet_table.hpp"
#include "harmofl/base/rng.hpp"

#include <string>
#include <vector>

namespace harmofl {

/// A distribution of a property of devices, made from its text (`FleetOptions`).
class Distribution {
 public:
  /// Throws UserError, naming key and text, unless the text is one of the known forms and whatever
  /// it may draw is in the property's range.
  Distribution(const DevicePropertyInfo& property, const std::string& text);

  double draw(RngStream& rng) const;

 private:
  enum class Kind { choice, uniform, lognormal };

  Kind kind_ = Kind::choice;
  std::vector<double>
      numbers_;  ///< The choices; or low, high; or mean, deviation of the logarithm.
};

}  // namespace harmofl
