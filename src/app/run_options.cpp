// SPDX-License-Identifier: Apache-2.0
#include "app/run_options.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>
#include <limits>

namespace harmofl {
namespace {

void replace_auto(Config& config, const std::string& key, const std::string& value) {
  if (config.text(key) == "auto") config.set(key, value);
}

/// What an `auto` key stands for by method, else `usual`.
std::string by_method(const AlgorithmEntry& method, const std::string& key,
                      const std::string& usual) {
  const auto found = method.defaults.find(key);
  return found == method.defaults.end() ? usual : found->second;
}

void resolve_alpha(Config& config, const AlgorithmEntry& method) {
  const std::string own = config.text("algorithm.alpha");
  const std::string general = config.text("perturbation.alpha");
  if (own != "auto") {
    if (method.name != "harmofl") {
      throw UsageError(concat("algorithm.alpha belongs to harmofl, not to ", method.name,
                              ". Set perturbation.alpha to perturb the weights of any method."));
    }
    if (general != "auto" && general != own) {
      throw UsageError(concat("algorithm.alpha = ", own, " and perturbation.alpha = ", general,
                              " are two names of one option. Set one of them."));
    }
    config.set("perturbation.alpha", own);
    config.set("algorithm.alpha", "auto");
  }
  replace_auto(config, "perturbation.alpha", by_method(method, "perturbation.alpha", "0"));
}

/// Gives the method's own keys their defaults. Throws UsageError for a key of another method.
void resolve_algorithm_keys(Config& config, const AlgorithmEntry& method) {
  for (const AlgorithmKey& key : method.keys) {
    replace_auto(config, "algorithm." + key.name, key.default_text);
  }
  for (const AlgorithmEntry& other : algorithms()) {
    for (const AlgorithmKey& key : other.keys) {
      const std::string name = "algorithm." + key.name;
      if (config.text(name) == "auto") continue;
      if (std::ranges::find(method.keys, key.name, &AlgorithmKey::name) != method.keys.end()) {
        continue;
      }
      throw UsageError(concat(name, " belongs to ", other.name, ", not to ", method.name,
                              ". Leave it out, or set algorithm.name = ", other.name, "."));
    }
  }
}

void resolve_network(Config& config, const AlgorithmEntry& method, bool masks) {
  replace_auto(config, "model.name", masks ? "unet" : "cnn");
  const NetworkDefaults network = find_network_defaults(config.text("model.name"));
  replace_auto(config, "model.width", concat(network.width));
  replace_auto(config, "model.norm", by_method(method, "model.norm", network.norm));
  const bool cpu = config.text("device.type") == "cpu";
  replace_auto(config, "model.kernels", cpu ? "own" : "libtorch");
  if (!cpu && config.text("model.kernels") == "own") {
    throw UsageError(
        "model.kernels = own are the CPU's, but device.type = cuda. Set model.kernels = libtorch, "
        "or leave it out.");
  }
  // Own kernels want channels last, but there are none for group norms.
  const bool fast = config.text("model.norm") != "group" && config.text("model.kernels") == "own";
  replace_auto(config, "model.memory_format", fast ? "channels-last" : "contiguous");
}

LocalOptions local_options(const Config& config) {
  LocalOptions local;
  local.optimizer.kind = config.choice<OptimizerKind>(
      "train.optimizer", {{"sgd", OptimizerKind::sgd}, {"adam", OptimizerKind::adam}});
  local.optimizer.lr = config.number("train.lr");
  local.optimizer.momentum = config.number("train.momentum");
  local.optimizer.weight_decay = config.number("train.weight_decay");
  local.loss = loss_kind(config);
  local.perturbation = {config.number("perturbation.alpha"), config.flag("perturbation.adaptive"),
                        config.number("perturbation.eta")};
  local.measure = config.flag("run.measure");
  local.local_epochs = config.integer("train.local_epochs", 1);
  local.batches.batch_size = config.integer("data.batch_size", 1);
  local.batches.augment = config.flag("data.augment");
  local.shuffle = config.flag("data.shuffle");
  local.graphs = config.flag("device.graphs");
  return local;
}

CohortOptions cohort_options(const Config& config) {
  CohortOptions cohort;
  cohort.size = config.integer("cohort.size", 0);
  cohort.sampling = config.choice<Sampling>("cohort.sampling", {{"uniform", Sampling::uniform},
                                                                {"weighted", Sampling::weighted},
                                                                {"fixed", Sampling::fixed}});
  cohort.over_sampling = config.number("cohort.over_sampling");
  return cohort;
}

FleetOptions fleet_options(const Config& config) {
  FleetOptions fleet;
  fleet.table = config.text("fleet.table");
  fleet.speed = config.text("fleet.speed");
  fleet.bandwidth = config.text("fleet.bandwidth");
  fleet.latency = config.text("fleet.latency");
  fleet.availability = config.text("fleet.availability");
  fleet.sample_time_s = config.number("fleet.sample_time");
  fleet.deadline_s = config.number("fleet.deadline");
  fleet.drop_before = config.number("fleet.drop_before");
  fleet.drop_after = config.number("fleet.drop_after");
  return fleet;
}

/// Where val and test images are those of clients, not of sites.
void resolve_evaluation(Config& config, const AlgorithmEntry& method) {
  const bool own = config.text("data.partition") == "site" ||
                   config.text("model.buffers") == "local" ||
                   by_method(method, "data.evaluate", "sites") == "clients";
  replace_auto(config, "data.evaluate", own ? "clients" : "sites");
}

void read_saving(const Config& config, SimulationOptions& simulation) {
  simulation.save_every = config.integer("run.save_every", 1);
  simulation.save_minutes = config.number("run.save_minutes");
  simulation.keep = config.integer("run.keep", 1);
  if (!(simulation.save_minutes >= 0.0)) {
    throw UsageError(concat("run.save_minutes = ", config.text("run.save_minutes"),
                            " must be 0 (off) or a number of minutes."));
  }
}

/// Refuses, before anything is opened, what the device or the method cannot do.
void check_device(const RunOptions& run) {
  const SimulationOptions& s = run.simulation;
  if (run.device == DeviceType::cpu) {
    apply_precision(s.model.precision, torch::kCPU);
    make_recorder(s.local.graphs, torch::kCPU, s.local.batches.batch_size);
  }
  check_graphs(s.local, *make_algorithm(s.algorithm, s.algorithm_values));
}

}  // namespace

bool measured_by_site(const Config& config) {
  return config.choice<bool>("data.evaluate", {{"clients", false}, {"sites", true}});
}

PartitionOptions partition_options(const Config& config) {
  std::vector<std::pair<std::string, PartitionKind>> kinds;
  for (const PartitionKind kind : all_partition_kinds) {
    kinds.emplace_back(to_string(kind), kind);
  }
  PartitionOptions partition;
  partition.kind = config.choice<PartitionKind>("data.partition", kinds);
  partition.clients = config.integer("data.clients", 0);
  partition.alpha = config.number("data.partition_alpha");
  partition.seed = static_cast<std::uint64_t>(config.integer("run.seed", 0));
  return partition;
}

void resolve(Config& config, Task task) {
  const bool masks = task == Task::segmentation;
  const AlgorithmEntry& method = find_algorithm(config.text("algorithm.name"));
  resolve_network(config, method, masks);
  resolve_algorithm_keys(config, method);
  replace_auto(config, "train.loss", masks ? "cross-entropy-dice" : "cross-entropy");
  replace_auto(config, "amplitude.band", by_method(method, "amplitude.band", "off"));
  replace_auto(config, "model.projection", by_method(method, "model.projection", "none"));
  resolve_alpha(config, method);
  resolve_evaluation(config, method);
  replace_auto(config, "comm.placement",
               config.text("comm.reduce") == "exact" ? "measured" : "samples");
  if (config.text("run.output").empty()) {
    config.set("run.output", (std::filesystem::path("runs") / config.text("run.name")).string());
  }
  if (!masks && config.text("train.loss") == "cross-entropy-dice") {
    throw UsageError(
        "train.loss = cross-entropy-dice needs masks, but the shards hold labels. "
        "Set train.loss to cross-entropy.");
  }
}

AlgorithmValues algorithm_values(const Config& config) {
  AlgorithmValues values;
  for (const AlgorithmKey& key : find_algorithm(config.text("algorithm.name")).keys) {
    values[key.name] = config.text("algorithm." + key.name);
  }
  return values;
}

LossKind loss_kind(const Config& config) {
  return config.choice<LossKind>("train.loss",
                                 {{"cross-entropy", LossKind::cross_entropy},
                                  {"cross-entropy-dice", LossKind::cross_entropy_dice}});
}

ModelOptions model_options(const Config& config) {
  ModelOptions model;
  model.network.name = config.text("model.name");
  model.network.width = config.integer("model.width", 1);
  model.network.norm =
      config.choice<NormKind>("model.norm", {{"batch-stateless", NormKind::batch_stateless},
                                             {"batch", NormKind::batch},
                                             {"group", NormKind::group}});
  model.network.projection =
      config.choice<bool>("model.projection", {{"none", false}, {"mlp", true}});
  model.channels_last =
      config.choice<bool>("model.memory_format", {{"contiguous", false}, {"channels-last", true}});
  // A configuration without the key is of a run that had no choice: on the CPU its own.
  model.kernels = config.choice<Kernels>(
      "model.kernels",
      {{"own", Kernels::own}, {"libtorch", Kernels::libtorch}, {"auto", Kernels::own}});
  parse_band(config.text("amplitude.band"), model.amplitude);
  model.amplitude.momentum = config.number("amplitude.momentum");
  model.amplitude.update_every_pass =
      config.choice<bool>("amplitude.update", {{"first-pass", false}, {"every-pass", true}});
  model.amplitude.record_spectrum =
      config.choice<bool>("amplitude.record", {{"band", false}, {"spectrum", true}});
  model.precision = config.choice<Precision>(
      "device.precision",
      {{"fp32", Precision::fp32}, {"bf16", Precision::bf16}, {"tf32", Precision::tf32}});
  return model;
}

RunOptions run_options(const Config& config) {
  RunOptions run;
  run.name = config.text("run.name");
  run.output = config.text("run.output");
  run.shards = config.text("data.shards");
  run.weights = config.text("model.weights");
  run.partition = partition_options(config);
  run.resume = config.flag("run.resume");
  run.save_initial = config.flag("run.save_initial");
  run.device = config.choice<DeviceType>("device.type",
                                         {{"cpu", DeviceType::cpu}, {"cuda", DeviceType::cuda}});
  run.threads = config.integer("device.threads", 0);

  SimulationOptions& s = run.simulation;
  s.algorithm = config.text("algorithm.name");
  s.algorithm_values = algorithm_values(config);
  s.seed = static_cast<std::uint64_t>(config.integer("run.seed", 0));
  if (s.seed > std::numeric_limits<std::uint32_t>::max()) {
    throw UsageError(concat("run.seed = ", s.seed, " is too large. Give one below 2^32."));
  }
  s.rounds = config.integer("run.rounds", 1);
  s.evaluate_every = config.integer("run.evaluate_every", 1);
  read_saving(config, s);
  s.weights = config.choice<Weighting>(
      "data.weights", {{"uniform", Weighting::uniform}, {"samples", Weighting::samples}});
  s.truncate = config.flag("data.truncate");
  s.local = local_options(config);
  s.model = model_options(config);
  s.buffers =
      config.choice<BufferPolicy>("model.buffers", {{"average", BufferPolicy::average},
                                                    {"local", BufferPolicy::local},
                                                    {"recompute", BufferPolicy::recompute}});
  s.nonfinite = config.choice<NonFinite>(
      "train.nonfinite", {{"stop", NonFinite::stop}, {"leave-out", NonFinite::leave_out}});
  s.cohort = cohort_options(config);
  s.fleet = fleet_options(config);
  s.state = {config.integer("run.state_memory", 0) << 20, config.text("run.scratch")};
  s.placement = config.choice<PlacementCosts>(
      "comm.placement",
      {{"samples", PlacementCosts::samples}, {"measured", PlacementCosts::measured}});
  s.reduction = config.choice<Reduction>("comm.reduce",
                                         {{"fast", Reduction::fast}, {"exact", Reduction::exact}});
  s.transport = config.choice<TransportKind>("comm.transport", {{"auto", TransportKind::automatic},
                                                                {"mpi", TransportKind::mpi},
                                                                {"nccl", TransportKind::nccl}});
  s.timeout_s = config.number("comm.timeout");
  if (!(s.timeout_s >= 0.0)) {
    throw UsageError(concat("comm.timeout = ", config.text("comm.timeout"),
                            " must be 0 (never) or a number of seconds."));
  }
  check_device(run);
  s.config = config.ini();
  return run;
}

}  // namespace harmofl
