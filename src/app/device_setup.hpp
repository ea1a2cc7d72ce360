// SPDX-License-Identifier: Apache-2.0
/// The device of a rank, and what a command says of it.
#pragma once

#include "app/command_line.hpp"
#include "comm/communicator.hpp"
#include "data/batches/sample_budget.hpp"
#include "fl/clients/federation.hpp"
#include "fl/run/run_energy.hpp"
#include "fl/simulation.hpp"
#include "model/device/device.hpp"
#include "model/device/precision.hpp"

#include <torch/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

/// What `device.*` keys say of the device itself.
struct DeviceWish {
  DeviceType type = DeviceType::cpu;
  bool deterministic = false;
  std::optional<Precision> precision = {};  ///< None: that of the run.
};

/// Adds those keys, as a run has them, to the options of a command that computes with a checkpoint.
void add_device_options(boost::program_options::options_description& options);

/// What was given of them. Throws UsageError as the keys of a run do.
DeviceWish device_wish(const GivenOptions& given);

/// Picks this rank's device, and makes it compute as `wish` says. Throws UserError where it cannot.
/// Collective.
torch::Device open_device(const DeviceWish& wish, const Communicator& comm);

/// Opens the counters of joules of this rank's devices, and says on the root which they are and
/// what is not available. Environment variable HARMOFL_POWERCAP names another folder than
/// /sys/class/powercap, HARMOFL_NVML another library than libnvidia-ml.so.1. Collective.
std::unique_ptr<RunEnergy> open_energy(torch::Device device, const Communicator& comm);

/// How many of `uuids`, one a rank, are that of `rank`.
std::int64_t ranks_sharing(const std::vector<std::string>& uuids, std::size_t rank);

/// What of this rank's GPU samples may fill, before the run puts anything there: a step is tried
/// for that. Null on the CPU. Collective.
std::unique_ptr<SampleBudget> open_sample_budget(const SimulationOptions& options,
                                                 const Federation& federation, torch::Device device,
                                                 const Communicator& comm);

}  // namespace harmofl
