// SPDX-License-Identifier: Apache-2.0
/// From a configuration to the objects' own options.
#pragma once

#include "app/config/config.hpp"
#include "base/log.hpp"
#include "fl/simulation.hpp"
#include "harmofl/data/client_data.hpp"
#include "harmofl/data/partition.hpp"
#include "model/device/device.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// Everything that `harmofl train` needs. The table of keys says which key sets what.
struct RunOptions {
  std::string name;
  std::filesystem::path output;
  std::filesystem::path shards;
  std::filesystem::path weights;  ///< To start from; empty: a drawn initial model.
  std::filesystem::path script;   ///< TorchScript of the network; empty: one of the table.
  PartitionOptions partition;
  Residence residence = Residence::memory;
  std::vector<std::string> hold_out;  ///< Sites that never train.
  bool measured_by_site = false;      ///< Models are measured on sites' images, not on clients'.
  bool per_sample = false;            ///< `per_sample.csv` is written.
  bool resume = false;
  bool save_initial = false;
  log::Progress progress = log::Progress::automatic;
  bool trace = false;   ///< `trace.json` is written.
  bool energy = false;  ///< Joules are measured.
  DeviceType device = DeviceType::cpu;
  bool deterministic = false;  ///< A GPU gives the same bits every time.
  std::int64_t lanes = 0;      ///< Clients that a rank trains at the same time; 0 chooses.
  std::int64_t threads = 0;    ///< Threads of a lane; 0 chooses.
  SimulationOptions simulation;
};

/// The value of `model.name` that stands for `model.script`.
inline constexpr const char* script_network = "script";

/// What the keys of `config` say before it is resolved; what is `auto` still stays as it is.
/// Throws UsageError naming key, value and remedy; UserError for a value that the method refuses.
RunOptions preliminary_options(const Config& config);

/// Replaces every "auto" of `config` that the method or the task decides by what it stands for,
/// so that a stored configuration says what was run. Throws UsageError for contradictions.
void resolve(Config& config, Task task);

/// What the keys of a resolved configuration say, each for itself. Throws UsageError.
RunOptions resolved_options(const Config& config);

/// The same, checked for what the device or the method cannot do, and for values that the run could
/// not read back. Throws UsageError or UserError naming key and value.
RunOptions run_options(const Config& config);

/// Refuses to go on with the run that `before` is of, under `now`, where a key differs that must
/// not. Throws UserError naming `origin`, the key and both values.
void check_same_run(const Config& now, const Config& before, const std::string& origin);

}  // namespace harmofl
