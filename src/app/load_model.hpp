// SPDX-License-Identifier: Apache-2.0
/// What the commands that measure a checkpoint share.
#pragma once

#include "app/config/run_options.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/io/shard.hpp"
#include "io/checkpoint/checkpoint.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace harmofl {

/// A checkpoint's global model and where it came from.
struct LoadedModel {
  Config config;          ///< Configuration of the run that made it.
  RunOptions run;         ///< Options that this configuration sets.
  std::string algorithm;  ///< Name of the method.
  std::int64_t rounds_done = 0;
  std::unique_ptr<Model> model;  ///< On the CPU, its amplitude frozen.
};

/// The configuration `ini` that a run stored in the file `path`. Keys that are newer than the run
/// stand for what they would in a new one. Throws UserError naming the file where a value will not
/// do.
Config stored_config(const std::string& ini, const std::string& path);

/// Reads the model of checkpoint `path` for problems of `shape`. Throws UserError naming the file
/// when it cannot be read, is damaged, or does not suit the shape.
LoadedModel load_model(const std::string& path, const ProblemShape& shape);

/// What the checkpoint, read from `path`, keeps of the model with `site`: its layers, its personal
/// model; empty where the method keeps nothing. Throws UserError when it does so for other sites
/// only.
NamedState load_personal(const CheckpointReader& checkpoint, const std::string& path,
                         const std::string& site, const Algorithm& algorithm);

/// Parses the value of --split. Throws UsageError naming the known ones.
Split parse_split(const std::string& text);

}  // namespace harmofl
