// SPDX-License-Identifier: Apache-2.0
/// The joules of a rank by phase.
#pragma once

#include "base/energy/energy_source.hpp"
#include "base/timer.hpp"

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace harmofl {

/// A source that several ranks read: each counts its share, so that together they count it once.
struct SharedEnergy {
  std::string kind;  ///< "cpu", "gpu".
  std::unique_ptr<EnergySource> source;
  double share = 1.0;  ///< Of this rank, above 0.
};

/// Reads counters whenever a phase begins or ends. What is used within a phase is the innermost
/// one's, what is used outside of all is that of "other".
class EnergyMeter final : public PhaseListener {
 public:
  static constexpr const char* other = "other";

  /// A thread reads them too where a counter could go round within a phase, unless `by_itself` is
  /// false.
  explicit EnergyMeter(std::vector<SharedEnergy> sources, bool by_itself = true);
  ~EnergyMeter() override;

  void begin_phase(const std::string& name) override;
  void end_phase() override;

  /// Joules since the last call, by "kind/phase". NaN where a counter could not be read, of which a
  /// warning has told.
  std::map<std::string, double> take();

 private:
  void read();
  void watch(const std::stop_token& stop, double every_s);

  std::mutex mutex_;  ///< Of what follows.
  std::vector<SharedEnergy> sources_;
  std::vector<std::string> open_;  ///< Phases, the innermost last.
  std::map<std::string, double> joules_;
  std::condition_variable_any wake_;
  std::jthread thread_;  ///< Last: uses the rest.
};

}  // namespace harmofl
