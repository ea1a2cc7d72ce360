// SPDX-License-Identifier: Apache-2.0
/// The energy counters (RAPL) of processors, as Linux shows them in /sys/class/powercap.
#pragma once

#include "base/energy/energy_source.hpp"

#include <cstdint>
#include <filesystem>
#include <vector>

namespace harmofl {

/// What a counter has counted from `before` to `now`, both from 0 to `largest`, after which it
/// begins anew: once at most.
std::int64_t counted(std::int64_t before, std::int64_t now, std::int64_t largest);

/// The energy of all packages of this machine, and of memory where it has counters of its own,
/// which no package's includes.
class PowercapEnergy final : public EnergySource {
 public:
  static constexpr const char* usual_folder = "/sys/class/powercap";

  /// Opens all zones of `folder`. Throws NoEnergy where there is none, or where any of them cannot
  /// be read: without it the sum would be too small.
  explicit PowercapEnergy(const std::filesystem::path& folder = usual_folder);

  std::string name() const override;
  double joules() override;
  double read_every_s() const override;

 private:
  struct Zone {
    std::string name;
    std::filesystem::path counter;  ///< Microjoules.
    std::int64_t largest = 0;       ///< Largest number of it.
    std::int64_t last = 0;
  };

  std::vector<Zone> zones_;
};

}  // namespace harmofl
