// SPDX-License-Identifier: Apache-2.0
/// The joules of a run, `run.energy`: which counters each rank reads, and its share of them.
#pragma once

#include "base/energy/energy_meter.hpp"
#include "base/energy/nvml.hpp"
#include "base/energy/powercap.hpp"
#include "comm/communicator.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>

namespace harmofl {

/// Where the counters are.
struct EnergyPlaces {
  std::filesystem::path powercap = PowercapEnergy::usual_folder;
  std::string nvml = NvmlEnergy::usual_library;
};

/// "cpu" is what the processors and, where it is counted apart, the memory of a host use: its ranks
/// count equal shares of it. "gpu" is what a GPU uses, shared by the ranks on it. Other programs on
/// these devices, and idling, count as well. A kind is available where all ranks can read it: of a
/// part of them the sum would be too small.
class RunEnergy {
 public:
  /// `gpu` is the UUID of this rank's GPU, or "". Collective.
  RunEnergy(const Communicator& comm, const std::string& gpu, const EnergyPlaces& places = {});

  /// What measures this rank; null where no kind is available.
  EnergyMeter* meter() { return meter_ ? &*meter_ : nullptr; }

  /// The root's counters by kind that is available, for people.
  const std::map<std::string, std::string>& counters() const { return counters_; }
  /// Why each other kind is not; the same on every rank.
  const std::map<std::string, std::string>& missing() const { return missing_; }

 private:
  std::map<std::string, std::string> counters_, missing_;
  std::optional<EnergyMeter> meter_;
};

}  // namespace harmofl
