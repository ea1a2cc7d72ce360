// SPDX-License-Identifier: Apache-2.0
#include "app/config/run_options.hpp"

#include "app/config/keys.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace harmofl {
namespace {

enum class Open { left_as_it_is, refused };

RunOptions read(const Config& config, Open open) {
  RunOptions run;
  for (const Key& key : keys_of(run)) {
    const std::string& text = config.text(key.name);
    if (open == Open::refused || !key.is_open(text)) key.read(text);
  }
  run.partition.seed = run.simulation.seed;
  SimulationOptions& s = run.simulation;
  s.model.network.one_output = s.local.loss.kind == LossKind::bce;
  run.simulation.config = config.ini();
  return run;
}

void replace_auto(Config& config, const std::string& key, const std::string& value) {
  if (config.text(key) == "auto") config.set(key, value);
}

/// What an `auto` key stands for by method, else `usual`.
std::string by_method(const AlgorithmEntry& method, const std::string& key,
                      const std::string& usual) {
  const auto found = method.defaults.find(key);
  return found == method.defaults.end() ? usual : found->second;
}

bool has_key(const AlgorithmEntry& method, const std::string& key) {
  return std::ranges::find(method.keys, key, &AlgorithmKey::name) != method.keys.end();
}

/// Refuses a value of a key that other methods have: it would be without effect.
void check_own(const Config& config, const AlgorithmEntry& method, const std::string& key) {
  const std::string name = "algorithm." + key;
  if (config.text(name) == "auto" || has_key(method, key)) return;
  std::vector<std::string> owners;
  for (const AlgorithmEntry& other : algorithms()) {
    if (has_key(other, key)) owners.push_back(other.name);
  }
  throw UsageError(concat(name, " belongs to ", join(owners), ", not to ", method.name,
                          ". Leave it out, or set algorithm.name = ", join(owners, " or "), "."));
}

/// Refuses keys of other methods, and values that the method's own do not take.
void check_algorithm_keys(const Config& config, const RunOptions& run) {
  const AlgorithmEntry& method = find_algorithm(run.simulation.algorithm);
  for (const AlgorithmEntry& other : algorithms()) {
    for (const AlgorithmKey& key : other.keys) check_own(config, method, key.name);
  }
  const AlgorithmOptions checked(method.keys, run.simulation.algorithm_values);
}

/// What a network of the user's own takes in the place of a row of the table.
NetworkDefaults script_defaults(const Config& config) {
  const NetworkDefaults defaults{script_network, 1, "own"};
  const std::map<std::string, std::string> fixed{{"model.name", defaults.name},
                                                 {"model.width", concat(defaults.width)},
                                                 {"model.norm", defaults.norm}};
  for (const auto& [key, value] : fixed) {
    const std::string& text = config.text(key);
    if (text == "auto" || text == value) continue;
    throw UsageError(
        concat(key, " = ", text, " is for the networks of the table, but model.script = ",
               config.text("model.script"), " is one of your own. Leave one of them out."));
  }
  if (config.text("model.buffers") == "recompute") {
    throw UsageError(
        "model.buffers = recompute sets the momentum of batch norms, which is a constant of a "
        "script. Set "
        "model.buffers = average or local.");
  }
  return defaults;
}

NetworkDefaults defaults_of_network(const Config& config) {
  if (!config.text("model.script").empty()) return script_defaults(config);
  for (const auto& [key, value] :
       {std::pair("model.name", script_network), {"model.norm", "own"}}) {
    if (config.text(key) == value) {
      throw UsageError(
          concat(key, " = ", value, " needs the network: set model.script = FILE.pt."));
    }
  }
  return find_network_defaults(config.text("model.name"));
}

/// Own kernels want channels last, and so do a GPU's units for products of few bits. Group norms
/// and scripts have no such kernels.
void resolve_format(Config& config, bool script) {
  const bool few_bits = config.text("device.precision") != "fp32";
  const bool cpu = config.text("device.type") == "cpu";
  const bool wanted = config.text("model.kernels") == "own" || (!cpu && few_bits);
  const bool possible = !script && config.text("model.norm") != "group";
  replace_auto(config, "model.memory_format", wanted && possible ? "channels-last" : "contiguous");
}

void resolve_network(Config& config, const AlgorithmEntry& method, bool masks) {
  const bool script = !config.text("model.script").empty();
  replace_auto(config, "model.name", script ? script_network : masks ? "unet" : "cnn");
  const NetworkDefaults network = defaults_of_network(config);
  replace_auto(config, "model.width", concat(network.width));
  replace_auto(config, "model.norm",
               script ? network.norm : by_method(method, "model.norm", network.norm));
  const bool cpu = config.text("device.type") == "cpu";
  replace_auto(config, "model.kernels", cpu ? "own" : "libtorch");
  if (!cpu && config.text("model.kernels") == "own") {
    throw UsageError(
        "model.kernels = own are the CPU's, but device.type = cuda. Set model.kernels = libtorch, "
        "or leave it out.");
  }
  resolve_format(config, script);
}

/// Val and test images are those of clients where these are sites or have something of their own.
void resolve_evaluation(Config& config) {
  if (config.text("data.partition") == "site" || config.text("model.buffers") == "local") {
    replace_auto(config, "data.evaluate", "clients");
  }
}

/// Refuses keys of the local work that exclude each other, or would be without effect.
void check_training(const RunOptions& run) {
  const LocalOptions& local = run.simulation.local;
  if (local.local_steps > 0 && local.local_epochs != 1) {
    throw UsageError(concat(
        "train.local_steps = ", local.local_steps, " and train.local_epochs = ", local.local_epochs,
        " both say how long a client trains in a round. ", "Leave one of them out."));
  }
  if (local.loss.kind != LossKind::focal && local.loss.focal_gamma != LossOptions{}.focal_gamma) {
    throw UsageError("train.focal_gamma belongs to train.loss = focal. Leave it out, or set that.");
  }
}

/// Refuses, before anything is opened, what the device or the method cannot do.
void check_device(const RunOptions& run) {
  const SimulationOptions& s = run.simulation;
  const AlgorithmEntry& method = find_algorithm(s.algorithm);
  if (run.device == DeviceType::cpu) {
    apply_precision(s.model.precision, torch::kCPU);
    check_recorder(s.local.graphs, torch::kCPU);
  }
  check_graphs(s.local, method.make.plain_gradient);
}

}  // namespace

RunOptions preliminary_options(const Config& config) {
  RunOptions run = read(config, Open::left_as_it_is);
  check_algorithm_keys(config, run);
  return run;
}

RunOptions resolved_options(const Config& config) { return read(config, Open::refused); }

RunOptions run_options(const Config& config) {
  config.check_comes_back();
  RunOptions run = resolved_options(config);
  check_algorithm_keys(config, run);
  check_training(run);
  check_device(run);
  const LocalOptions& local = run.simulation.local;
  check(local.schedule, local.optimizer.lr, run.simulation.rounds);
  return run;
}

void resolve(Config& config, Task task) {
  const bool masks = task == Task::segmentation;
  const AlgorithmEntry& method = find_algorithm(config.text("algorithm.name"));
  resolve_network(config, method, masks);
  for (const AlgorithmKey& key : method.keys) {
    replace_auto(config, "algorithm." + key.name, key.default_text);
  }
  replace_auto(config, "train.loss", masks ? "cross-entropy-dice" : "cross-entropy");
  resolve_evaluation(config);
  for (const Key& key : config_keys()) {
    if (key.usual_of_auto.empty()) continue;
    replace_auto(config, key.name, by_method(method, key.name, key.usual_of_auto));
  }
  const bool exact = config.text("comm.reduce") == "exact";
  replace_auto(config, "comm.placement", exact ? "measured" : "samples");
  replace_auto(config, "device.deterministic", exact ? "true" : "false");
  if (config.text("run.output").empty()) {
    const std::string& name = config.text("run.name");
    if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos) {
      throw UsageError(concat("run.name = '", name, "' cannot name a folder in runs/. Set ",
                              "run.output to the folder, or run.name to a name without '/'."));
    }
    config.set("run.output", (std::filesystem::path("runs") / config.text("run.name")).string());
  }
  if (!masks && config.text("train.loss") == "cross-entropy-dice") {
    throw UsageError(
        "train.loss = cross-entropy-dice needs masks, but the shards hold labels. "
        "Set train.loss to cross-entropy.");
  }
}

void check_same_run(const Config& now, const Config& before, const std::string& origin) {
  for (const Key& key : config_keys()) {
    const std::string& text = now.text(key.name);
    HARMOFL_VALIDATE(key.is(may_change) || text == before.text(key.name), origin,
                     ": was made with ", key.name, " = ", before.text(key.name), ", but now it is ",
                     text,
                     ". Resume with the same configuration, or start a run in another folder.");
  }
}

}  // namespace harmofl
