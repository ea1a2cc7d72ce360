// SPDX-License-Identifier: Apache-2.0
#include "app/load_model.hpp"

#include "fl/aggregate/exchange.hpp"
#include "fl/run/kept_tensors.hpp"
#include "fl/run/run_input.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <optional>
#include <utility>

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

namespace {

/// The model that the file describes, with weights still to be read.
LoadedModel describe_model(CheckpointReader checkpoint, const std::string& path,
                           const ProblemShape& shape, std::optional<Precision> precision,
                           torch::Device device) {
  const CheckpointInfo& info = checkpoint.info();
  const Config config = stored_config(info.config, path);
  const RunOptions run = resolved_options(config);
  ModelOptions options = run.simulation.model;
  if (auto script = checkpoint.script()) {
    options.network.script = std::make_shared<ScriptFile>(
        ScriptFile{concat(path, ": /script"), std::move(script->code)});
  }
  HARMOFL_VALIDATE(config.text("model.script").empty() || options.network.script, path,
                   ": was trained with ", config.text("model.script"),
                   ", but holds no network (/script). Give a checkpoint of the run itself.");
  if (precision) {
    options.precision = *precision;
  } else if (device.is_cpu() && options.precision == Precision::tf32) {
    options.precision = Precision::fp32;  // of a run on a GPU; the CPU has no TF32
  }
  std::unique_ptr<Model> model;
  try {
    model = std::make_unique<Model>(options, shape, 0, device);
  } catch (const UserError& error) {
    throw UserError(concat(path, ": its model does not suit these shards: ", error.what()));
  }
  RunFacts facts = parse_facts(info, path);
  return {config,
          run,
          info.algorithm,
          info.rounds_done,
          std::move(facts),
          std::move(model),
          std::move(checkpoint)};
}

}  // namespace

LoadedModel load_model(const std::string& path, const ProblemShape& shape, const DeviceWish& wish,
                       const Communicator& comm) {
  const torch::Device device = open_device(wish, comm);
  CheckpointReader checkpoint = open_checkpoint(path, comm);
  std::optional<LoadedModel> loaded;
  comm.agree([&] {
    loaded.emplace(describe_model(std::move(checkpoint), path, shape, wish.precision, device));
    if (!comm.is_root()) return;
    loaded->model->state().import_tensors(loaded->checkpoint.read(checkpoint_groups::model), path);
  });
  broadcast_state(loaded->model->state(), comm);
  if (loaded->facts.amplitude_frozen) loaded->model->amplitude().freeze();
  return std::move(*loaded);
}

std::vector<NamedTensor> load_personal(const CheckpointReader& checkpoint, const std::string& site,
                                       const Algorithm& algorithm) {
  const auto wanted = [&](const std::string& name) { return is_personal(name, algorithm); };
  const auto personal_of = [&](const std::string& owner) {
    return checkpoint.read(checkpoint_groups::of_client(owner), wanted);
  };
  const std::vector<std::string> sites = checkpoint.groups(checkpoint_groups::clients);
  if (std::ranges::count(sites, site) > 0) return personal_of(site);
  HARMOFL_VALIDATE(sites.empty() || personal_of(sites.front()).empty(), checkpoint.path().string(),
                   ": every site has a part of the model of its own, but there is none for ",
                   site.empty() ? "images of no site" : site, ", only for ", join(sites), ". ",
                   site.empty() ? "Give one of them as --site."
                                : "Evaluate it on the sites it was trained with.");
  return {};
}

void check_site(const CheckpointReader& checkpoint, const std::string& site,
                const std::string& path) {
  const std::vector<std::string> sites = checkpoint.groups(checkpoint_groups::clients);
  HARMOFL_VALIDATE(!sites.empty(), path,
                   ": holds no sites. Leave out --site, or give another checkpoint of the run.");
  HARMOFL_VALIDATE(std::ranges::count(sites, site) == 1, path, ": holds no site '", site,
                   "'. It has: ", join(sites), ".");
}

NamedState personal_state(const LoadedModel& loaded, const std::string& site,
                          const Algorithm& algorithm) {
  const SimulationOptions& options = loaded.run.simulation;
  const std::vector<NamedTensor> own = load_personal(loaded.checkpoint, site, algorithm);
  check_kept(own, client_shapes(*loaded.model, algorithm, options.buffers, options.local.optimizer),
             concat(loaded.checkpoint.path().string(), ": /", checkpoint_groups::of_client(site)));
  NamedState kept;
  kept.import_tensors(own, loaded.model->device());
  return kept;
}

Split parse_split(const std::string& text) {
  for (const Split split : all_splits) {
    if (text == to_string(split)) return split;
  }
  throw UsageError(concat("--split ", text, " is unknown. Known: train, val, test."));
}

}  // namespace harmofl
