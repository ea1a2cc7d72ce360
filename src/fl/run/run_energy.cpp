// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_energy.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

struct Opened {
  std::unique_ptr<EnergySource> source;  ///< Null on every rank where any of them has none.
  std::string why_not;                   ///< Of the first of these; "" without one.
};

/// Collective.
Opened open_everywhere(const Communicator& comm,
                       const std::function<std::unique_ptr<EnergySource>()>& open) {
  Opened opened;
  std::string why_not;
  try {
    opened.source = open();
  } catch (const NoEnergy& error) {
    why_not = error.what();
  }
  const std::vector<std::string> all = comm.all_gather(why_not);
  const auto first = std::ranges::find_if(all, [](const std::string& why) { return !why.empty(); });
  if (first == all.end()) return opened;
  return {nullptr, comm.size() == 1 ? *first : concat("rank ", first - all.begin(), ": ", *first)};
}

}  // namespace

RunEnergy::RunEnergy(const Communicator& comm, const std::string& gpu, const EnergyPlaces& places) {
  std::vector<SharedEnergy> sources;
  const auto add = [&](const std::string& kind, double ranks, Opened opened) {
    if (opened.source == nullptr) {
      missing_[kind] = opened.why_not;
      return;
    }
    counters_[kind] = opened.source->name();
    sources.push_back({kind, std::move(opened.source), 1.0 / ranks});
  };
  add("cpu", comm.local_size(), open_everywhere(comm, [&]() -> std::unique_ptr<EnergySource> {
        return std::make_unique<PowercapEnergy>(places.powercap);
      }));
  const std::vector<std::string> gpus = comm.all_gather(gpu);
  if (std::ranges::none_of(gpus, &std::string::empty)) {
    add("gpu", static_cast<double>(std::ranges::count(gpus, gpu)),
        open_everywhere(comm, [&]() -> std::unique_ptr<EnergySource> {
          return std::make_unique<NvmlEnergy>(gpu, places.nvml);
        }));
  }
  if (!sources.empty()) meter_.emplace(std::move(sources));
}

}  // namespace harmofl
