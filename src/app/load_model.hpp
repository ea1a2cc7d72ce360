// SPDX-License-Identifier: Apache-2.0
/// What the commands that measure a checkpoint share.
#pragma once

#include "app/config/run_options.hpp"
#include "app/device_setup.hpp"
#include "comm/communicator.hpp"
#include "fl/run/run_facts.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/io/shard.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

/// A checkpoint's global model and where it came from.
struct LoadedModel {
  Config config;          ///< Configuration of the run that made it.
  RunOptions run;         ///< Options that this configuration sets.
  std::string algorithm;  ///< Name of the method.
  std::int64_t rounds_done = 0;
  RunFacts facts;                ///< What the file says beside tensors.
  std::unique_ptr<Model> model;  ///< Its amplitude frozen where the run's was.
  CheckpointReader checkpoint;   ///< The file itself.
};

/// The configuration `ini` that a run stored in the file `path`. Keys that are newer than the run
/// stand for what they would in a new one. Throws UserError naming the file where a value will not
/// do.
Config stored_config(const std::string& ini, const std::string& path);

/// Reads the model of checkpoint `path` for problems of `shape` on the root, which gives it to all
/// ranks; each puts it on the device of `wish`, which it opens. Throws UserError naming the file
/// when it cannot be read, is damaged, or does not suit the shape, and as `open_device`.
/// Collective.
LoadedModel load_model(const std::string& path, const ProblemShape& shape, const DeviceWish& wish,
                       const Communicator& comm);

/// What the checkpoint keeps of the model with `site`, as it stands there: its layers, its personal
/// model; nothing where the method keeps nothing. Throws UserError when it does so for other sites
/// only.
std::vector<NamedTensor> load_personal(const CheckpointReader& checkpoint, const std::string& site,
                                       const Algorithm& algorithm);

/// Throws UserError, naming the file `path`, unless `checkpoint` has a client called `site`.
void check_site(const CheckpointReader& checkpoint, const std::string& site,
                const std::string& path);

/// The same as state of the model, checked.
NamedState personal_state(const LoadedModel& loaded, const std::string& site,
                          const Algorithm& algorithm);

/// Parses the value of --split. Throws UsageError naming the known ones.
Split parse_split(const std::string& text);

}  // namespace harmofl
