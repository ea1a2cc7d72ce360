// SPDX-License-Identifier: Apache-2.0
#include "base/energy/energy_meter.hpp"

#include "base/log.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

namespace harmofl {

EnergyMeter::EnergyMeter(std::vector<SharedEnergy> sources, bool by_itself)
    : sources_(std::move(sources)) {
  double every_s = 0.0;
  for (const SharedEnergy& shared : sources_) {
    HARMOFL_EXPECT(shared.share > 0.0);
    const double wanted_s = shared.source->read_every_s();
    if (wanted_s > 0.0) every_s = every_s > 0.0 ? std::min(every_s, wanted_s) : wanted_s;
  }
  if (!by_itself || every_s == 0.0) return;
  thread_ = std::jthread([this, every_s](const std::stop_token& stop) { watch(stop, every_s); });
}

EnergyMeter::~EnergyMeter() = default;

void EnergyMeter::watch(const std::stop_token& stop, double every_s) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, std::chrono::duration<double>(every_s), [] { return false; });
    if (!stop.stop_requested()) read();
  }
}

// Under the lock. A source that fails is not asked again: what it missed is not known.
void EnergyMeter::read() {
  const std::string phase = open_.empty() ? other : open_.back();
  for (SharedEnergy& shared : sources_) {
    double used = std::numeric_limits<double>::quiet_NaN();
    try {
      if (shared.source != nullptr) used = shared.share * shared.source->joules();
    } catch (const NoEnergy& error) {
      log::warn_once(
          concat("joules of ", shared.kind, " from now on: not available: ", error.what(), "."));
      shared.source.reset();
    }
    joules_[concat(shared.kind, "/", phase)] += used;
  }
}

void EnergyMeter::begin_phase(const std::string& name) {
  const std::lock_guard lock(mutex_);
  read();
  open_.push_back(name);
}

void EnergyMeter::end_phase() {
  const std::lock_guard lock(mutex_);
  read();
  open_.pop_back();
}

std::map<std::string, double> EnergyMeter::take() {
  const std::lock_guard lock(mutex_);
  read();
  return std::exchange(joules_, {});
}

}  // namespace harmofl
