// SPDX-License-Identifier: Apache-2.0
/// From a configuration to the objects' own options.
#pragma once

#include "app/config.hpp"
#include "fl/simulation.hpp"
#include "model/device/device.hpp"

#include <filesystem>

namespace harmofl {

/// Everything that `harmofl train` needs, validated.
struct RunOptions {
  std::string name;
  std::filesystem::path output;
  std::filesystem::path shards;
  std::filesystem::path weights;  ///< To start from; empty: a drawn initial model.
  PartitionOptions partition;
  bool resume = false;
  bool save_initial = false;
  DeviceType device = DeviceType::cpu;
  std::int64_t threads = 0;
  SimulationOptions simulation;
};

/// Replaces every "auto" of `config` that the method or the task decides by what it stands for,
/// so that a stored configuration says what was run. Throws UsageError for contradictions.
void resolve(Config& config, Task task);

/// Options of a resolved configuration. Throws UsageError or UserError naming key and value.
RunOptions run_options(const Config& config);

/// How a configuration, resolved or not, deals images to clients.
PartitionOptions partition_options(const Config& config);

/// Whether models are measured on the images of sites, not on those of clients, by a resolved
/// configuration.
bool measured_by_site(const Config& config);

/// The model part alone, for evaluating a checkpoint.
ModelOptions model_options(const Config& config);

/// Values of the method's own keys of a resolved configuration.
AlgorithmValues algorithm_values(const Config& config);

/// The loss of a resolved configuration.
LossKind loss_kind(const Config& config);

}  // namespace harmofl
