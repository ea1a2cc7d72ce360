// SPDX-License-Identifier: Apache-2.0
#include "app/load_model.hpp"

#include "fl/aggregate/exchange.hpp"
#include "harmofl/base/error.hpp"
#include "io/checkpoint/checkpoint.hpp"

#include <algorithm>

namespace harmofl {

Config stored_config(const std::string& ini, const std::string& path) {
  try {
    Config config = Config::from_ini(ini, path);
    // What the task decides was decided when the run began.
    const bool masks = config.text("train.loss") == "cross-entropy-dice";
    resolve(config, masks ? Task::segmentation : Task::classification);
    resolved_options(config);
    return config;
  } catch (const UsageError& error) {
    throw UserError(concat(path, ": its configuration cannot be used: ", error.what()));
  }
}

LoadedModel load_model(const std::string& path, const ProblemShape& shape) {
  const CheckpointReader checkpoint(path);
  const CheckpointInfo& info = checkpoint.info();
  const Config config = stored_config(info.config, path);
  LoadedModel loaded{config, resolved_options(config), info.algorithm, info.rounds_done, nullptr};
  try {
    ModelOptions options = loaded.run.simulation.model;
    // Of a run on a GPU; here it is the CPU that computes, which has no TF32.
    if (options.precision == Precision::tf32) options.precision = Precision::fp32;
    loaded.model = std::make_unique<Model>(options, shape, 0, torch::kCPU);
  } catch (const UserError& error) {
    throw UserError(concat(path, ": its model does not suit these shards: ", error.what()));
  }
  loaded.model->state().import_tensors(checkpoint.read(checkpoint_groups::model), path);
  loaded.model->amplitude().freeze();
  return loaded;
}

NamedState load_personal(const CheckpointReader& checkpoint, const std::string& path,
                         const std::string& site, const Algorithm& algorithm) {
  const auto wanted = [&](const std::string& name) { return is_personal(name, algorithm); };
  const auto personal_of = [&](const std::string& owner) {
    NamedState kept;
    kept.import_tensors(checkpoint.read(checkpoint_groups::of_client(owner), wanted), torch::kCPU);
    return kept;
  };
  const std::vector<std::string> sites = checkpoint.groups(checkpoint_groups::clients);
  if (std::ranges::count(sites, site) > 0) return personal_of(site);
  HARMOFL_VALIDATE(sites.empty() || personal_of(sites.front()).empty(), path,
                   ": every site has a part of the model of its own, but there is none for ", site,
                   ", only for ", join(sites), ". Evaluate it on the sites it was trained with.");
  return {};
}

Split parse_split(const std::string& text) {
  for (const Split split : all_splits) {
    if (text == to_string(split)) return split;
  }
  throw UsageError(concat("--split ", text, " is unknown. Known: train, val, test."));
}

}  // namespace harmofl
