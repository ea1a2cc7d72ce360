// SPDX-License-Identifier: Apache-2.0
/// The devices that the clients of a run would have: how fast, how well connected, how reliable.
///
/// Devices are a model. Nothing here looks at the clock, so what it decides is the same on any
/// number of ranks and under any load.
#pragma once

#include "fl/fleet/fleet_table.hpp"
#include "harmofl/base/ids.hpp"

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

namespace harmofl {

/// One client's device.
struct DeviceProfile {
  double speed = 1.0;  ///< Relative: a device of speed 2 takes half of `sample_time_s` a sample.
  double bandwidth_mbit_s = std::numeric_limits<double>::infinity();  ///< Infinite: no wait.
  double latency_s = 0.0;     ///< Delay of each message, whatever its size.
  double availability = 1.0;  ///< Probability of being there in a round.
};

/// Options of [fleet]. A distribution is "1" or "const:1", "uniform:0.5,2", "lognormal:0,0.5" (mean
/// and standard deviation of the logarithm) or "choice:1,0.5,0.1" (alike); "" is the usual value.
struct FleetOptions {
  std::filesystem::path table = {};
  std::string speed = {};
  std::string bandwidth = {};
  std::string latency = {};
  std::string availability = {};
  double sample_time_s = 0.0;  ///< Time to train on one sample once, at speed 1.
  double deadline_s = 0.0;     ///< End of a round; 0 is none.
  double drop_before = 0.0;    ///< Probability that a client is lost after the download.
  double drop_after = 0.0;     ///< Probability that it is lost after training.

  /// Whether anything is set, so that a round is more than its cohort.
  bool active() const;
};

/// The devices of all clients.
class Fleet {
 public:
  /// Takes each client's profile from `options.table`, which it reads, and draws what the table
  /// does not say from the distributions, by (seed, client). Throws UserError for a bad option or
  /// table, and for a client without a line when no distribution says what else to take.
  Fleet(const FleetOptions& options, const std::vector<std::string>& clients, std::uint64_t seed);
  /// The same from a table that is in memory; `options.table` is not read.
  Fleet(const FleetOptions& options, const std::vector<std::string>& clients, std::uint64_t seed,
        const FleetTable& table);

  const FleetOptions& options() const { return options_; }
  std::int64_t size() const { return static_cast<std::int64_t>(profiles_.size()); }
  const DeviceProfile& operator[](ClientId client) const { return profiles_[client.position()]; }

  /// The profiles as a table of all columns, which gives the same fleet when it is read again.
  std::string to_csv() const;

 private:
  FleetOptions options_;
  std::vector<std::string> clients_;
  std::vector<DeviceProfile> profiles_;
};

}  // namespace harmofl
