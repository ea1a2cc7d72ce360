// SPDX-License-Identifier: Apache-2.0
#include "app/config/keys.hpp"

#include "app/config/key_values.hpp"
#include "app/config/run_options.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/model/network_options.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace harmofl {
namespace {

using Keys = std::vector<Key>;

// Rows: name, default, unit, meaning, what it takes and sets, use, what auto usually stands for.

Keys run_keys(RunOptions& run) {
  SimulationOptions& s = run.simulation;
  return {
      {"run.name", "run", "", "name of the run, for people", any_text(run.name)},
      {"run.output", "", "folder", "run folder; default runs/<run.name>", any_path(run.output),
       may_change | needed_first},
      {"run.seed", "0", "", "seed of the initial model, the shuffling and the augmentation",
       whole(s.seed, {0, std::numeric_limits<std::uint32_t>::max()}), needed_first},
      {"run.rounds", "10", "rounds", "communication rounds", whole(s.rounds, {1}),
       may_change | needed_first},
      {"run.evaluate_every", "1", "rounds", "evaluate val and test of every site that often",
       whole(s.evaluate_every, {1})},
      {"run.save_every", "10", "rounds", "write checkpoint.h5 that often (and at the end)",
       whole(s.save_every, {1}), may_change},
      {"run.save_minutes", "0", "minutes",
       "also write it after a round when the last save is so long ago; 0 is off",
       number(s.save_minutes, at_least(0)), may_change},
      {"run.keep", "2", "checkpoints", "how many the run folder holds, the newest included",
       whole(s.keep, {1}), may_change},
      {"run.save_initial", "false", "", "write the model before the first round to initial.h5",
       flag(run.save_initial)},
      {"run.measures", "auto", "",
       "what is measured of val and test: auto (what costs little) | all | names with commas",
       measure_names(s.measures), may_change},
      {"run.best_by", "auto", "",
       "measure whose mean over the sites' val images tells the best round; auto: dice or accuracy",
       measure_name(s.best_by)},
      {"run.patience", "0", "evaluations",
       "end the run after so many without a better one; 0 is never", whole(s.patience, {0}),
       may_change},
      {"run.per_sample", "false", "",
       "write every val and test sample of the best round to per_sample.csv", flag(run.per_sample)},
      {"run.measure", "false", "",
       "also write each client's drift and gradient norm in every round to metrics.jsonl",
       flag(s.local.measure)},
      {"run.fingerprints", "false", "",
       "write hashes of every client's and the global tensors in every round to "
       "fingerprints.jsonl, for `harmofl diff`",
       flag(s.local.fingerprints), may_change},
      {"run.tensorboard", "false", "",
       "write scalars, pictures of cases and the configuration for TensorBoard, to tensorboard/",
       flag(s.tensorboard.on), may_change},
      {"run.tensorboard_images", "10", "rounds",
       "picture some test cases that often, when models are evaluated; 0 is never",
       whole(s.tensorboard.images_every, {0}), may_change},
      {"run.progress", "auto", "", "the line of progress; auto: on a terminal, also mpirun's",
       one_of(run.progress, {{"auto", log::Progress::automatic},
                             {"on", log::Progress::on},
                             {"off", log::Progress::off}}),
       may_change},
      {"run.trace", "false", "",
       "write what every rank did when to trace.json, for Perfetto and chrome://tracing",
       flag(run.trace), may_change},
      {"run.energy", "false", "",
       "also write the joules of each phase and rank to rounds.jsonl, where counters can be read",
       flag(run.energy), may_change},
      {"run.state_memory", "0", "MiB",
       "what a rank keeps in memory of its clients' state, the rest in run.scratch; 0 is all",
       whole(s.state.memory_bytes, {0, std::numeric_limits<std::int64_t>::max() >> 20}, 1 << 20),
       may_change},
      {"run.scratch", "", "folder", "for clients' state beyond run.state_memory; default TMPDIR",
       any_path(s.state.scratch), may_change},
      {"run.resume", "false", "", "continue the run in run.output, if there is one",
       flag(run.resume), may_change},
  };
}

Keys data_keys(RunOptions& run) {
  SimulationOptions& s = run.simulation;
  PartitionOptions& partition = run.partition;
  return {
      {"data.shards", "", "folder", "folder with one HDF5 shard a site", any_path(run.shards),
       may_change | needed_first},
      {"data.residence", "memory", "", "where images are while the run needs them",
       one_of(run.residence, {{"memory", Residence::memory, "all, read once"},
                              {"stream", Residence::stream, "read anew for every batch"}}),
       may_change},
      {"data.batch_size", "16", "images", "images a step, in training and evaluation",
       whole(s.local.batches.batch_size, {1}), needed_first},
      {"data.weights", "uniform", "", "weight of a client in the average",
       one_of(s.weights, {{"uniform", Weighting::uniform}, {"samples", Weighting::samples}})},
      {"data.truncate", "false", "", "every client uses as many samples as the smallest has",
       flag(s.truncate)},
      {"data.augment", "true", "", "random rotations by 90 degrees and flips of training images",
       flag(s.local.batches.augment)},
      {"data.shuffle", "true", "", "a new order of the training images in every epoch",
       flag(s.local.shuffle)},
      {"data.partition", "site", "", "who holds which images",
       one_of(partition.kind, {{"site", PartitionKind::site, "a client a shard"},
                               {"iid", PartitionKind::iid},
                               {"dirichlet", PartitionKind::dirichlet},
                               {"quantity", PartitionKind::quantity},
                               {"patient", PartitionKind::patient},
                               {"pooled", PartitionKind::pooled, "one client for all"}})},
      {"data.clients", "0", "clients", "made by data.partition iid, dirichlet and quantity",
       whole(partition.clients, {0})},
      {"data.partition_alpha", "0.5", "",
       "concentration of dirichlet and quantity; smaller is more unequal",
       number(partition.alpha, above(0))},
      {"data.evaluate", "auto", "",
       "whose val and test images are measured; auto: of clients where a client is a site or keeps "
       "buffers, else by method",
       one_of(run.measured_by_site, {{"clients", false}, {"sites", true}}), ordinary, "sites"},
      {"data.hold_out", "", "", "sites, with commas, that never train and are measured as new ones",
       names_of_sites(run.hold_out)},
      {"data.hold_out_statistics", "global", "", "running statistics that they are measured with",
       one_of(s.new_sites, {{"global", NewSiteStatistics::global},
                            {"estimated", NewSiteStatistics::estimated,
                             "anew from the site's training images, without labels"}})},
  };
}

Keys cohort_keys(CohortOptions& cohort) {
  return {
      {"cohort.size", "0", "clients", "that take part in a round; 0 is all",
       whole(cohort.size, {0})},
      {"cohort.sampling", "uniform", "", "how they are drawn",
       one_of(cohort.sampling, {{"uniform", Sampling::uniform},
                                {"weighted", Sampling::weighted, "by training images"},
                                {"fixed", Sampling::fixed, "the same in every round"}})},
      {"cohort.over_sampling", "1", "",
       "clients invited for each one wanted; the first to report count",
       number(cohort.over_sampling, at_least(1))},
  };
}

Keys fleet_keys(FleetOptions& fleet) {
  return {
      {"fleet.table", "", "file",
       "CSV with client,speed,bandwidth_mbit_s,latency_s,availability of simulated devices",
       any_path(fleet.table)},
      {"fleet.speed", "", "distribution",
       "relative speed of devices: 1 | uniform:0.5,2 | lognormal:0,0.5 | choice:1,0.5,0.1",
       any_text(fleet.speed)},
      {"fleet.bandwidth", "", "Mbit/s", "likewise; empty is infinite", any_text(fleet.bandwidth)},
      {"fleet.latency", "", "seconds", "likewise, of each message; empty is 0",
       any_text(fleet.latency)},
      {"fleet.availability", "", "", "likewise, probability of being there; empty is 1",
       any_text(fleet.availability)},
      {"fleet.sample_time", "0", "seconds", "to train on one image once at speed 1",
       number(fleet.sample_time_s, at_least(0))},
      {"fleet.deadline", "0", "seconds", "clients that would report later are aborted; 0 is none",
       number(fleet.deadline_s, at_least(0))},
      {"fleet.drop_before", "0", "", "probability that a client is lost before it trains",
       number(fleet.drop_before, from_to(0, 1))},
      {"fleet.drop_after", "0", "", "probability that it is lost after it trained",
       number(fleet.drop_after, from_to(0, 1))},
  };
}

/// "unet 32, cnn 16, ...": what auto stands for by network.
std::string by_network(const std::function<std::string(const NetworkDefaults&)>& value) {
  std::vector<std::string> texts;
  for (const NetworkDefaults& network : network_defaults()) {
    texts.push_back(concat(network.name, " ", value(network)));
  }
  return join(texts);
}

std::vector<std::string> network_names() {
  std::vector<std::string> names;
  for (const NetworkDefaults& network : network_defaults()) names.push_back(network.name);
  names.emplace_back(script_network);
  return names;
}

Keys model_keys(RunOptions& run) {
  ModelOptions& model = run.simulation.model;
  const auto width = [](const NetworkDefaults& network) { return concat(network.width); };
  const auto norm = [](const NetworkDefaults& network) { return network.norm; };
  return {
      {"model.name", "auto", "", "network; auto: unet for masks, cnn for labels",
       one_of_names(model.network.name, network_names()), needed_first},
      {"model.width", "auto", "channels",
       "channels of the first level, of densenet121 its growth rate; auto: " + by_network(width),
       whole(model.network.width, {1})},
      {"model.norm", "auto", "", "normalisation layers; auto by network: " + by_network(norm),
       one_of(model.network.norm, {{"batch-stateless", NormKind::batch_stateless},
                                   {"batch", NormKind::batch},
                                   {"group", NormKind::group},
                                   {"own", NormKind::own, "those of model.script"}})},
      {"model.projection", "auto", "", "a head F-F-256 behind the features",
       one_of(model.network.projection, {{"none", false}, {"mlp", true}}), ordinary, "none"},
      {"model.buffers", "average", "", "running statistics",
       one_of(run.simulation.buffers, {{"average", BufferPolicy::average},
                                       {"local", BufferPolicy::local, "each client its own"},
                                       {"recompute", BufferPolicy::recompute, "when evaluated"}})},
      {"model.script", "", "file",
       "a network of your own, as TorchScript of torch.jit.save; model.name is then script",
       any_path(run.script), may_change},
      {"model.weights", "", "file",
       "start from these weights: .safetensors, .pt or a checkpoint, .h5", any_path(run.weights)},
      {"model.memory_format", "auto", "",
       "of images; auto: channels-last with own kernels and batch norms",
       one_of(model.channels_last, {{"contiguous", false}, {"channels-last", true}})},
      {"model.kernels", "auto", "",
       "whose operations the network, the amplitude layer and the loss are; auto: own on the CPU",
       one_of(model.kernels, {{"own", Kernels::own}, {"libtorch", Kernels::libtorch}}), may_change},
  };
}

Keys train_keys(RunOptions& run) {
  LocalOptions& local = run.simulation.local;
  return {
      {"train.optimizer", "adam", "", "local optimiser",
       one_of(local.optimizer.kind, {{"sgd", OptimizerKind::sgd}, {"adam", OptimizerKind::adam}}),
       needed_first},
      {"train.lr", "0.001", "", "learning rate", number(local.optimizer.lr, above(0)),
       needed_first},
      {"train.schedule", "constant", "", "of the learning rate, by rounds",
       one_of(local.schedule.kind, {{"constant", ScheduleKind::constant},
                                    {"step", ScheduleKind::step},
                                    {"cosine", ScheduleKind::cosine}})},
      {"train.schedule_rounds", "0", "rounds",
       "step: between two steps; cosine: until the final rate", whole(local.schedule.rounds, {0})},
      {"train.schedule_factor", "0.1", "", "step: what the rate is multiplied by",
       number(local.schedule.factor, NumberRange{0, 1, false, true})},
      {"train.lr_final", "0", "", "cosine: the final learning rate",
       number(local.schedule.final_rate, at_least(0))},
      {"train.warm_up", "0", "rounds", "at the start, in which the rate grows to train.lr",
       whole(local.schedule.warm_up, {0, std::numeric_limits<std::int32_t>::max()})},
      {"train.momentum", "0.9", "", "momentum of sgd",
       number(local.optimizer.momentum, from_to_below(0, 1))},
      {"train.weight_decay", "0.0001", "", "L2 penalty",
       number(local.optimizer.weight_decay, at_least(0))},
      {"train.local_epochs", "1", "epochs", "passes over its data that a client makes a round",
       // With fewer than 2^32 samples a client, what it trains on in a round is an int64.
       whole(local.local_epochs, {1, std::numeric_limits<std::int32_t>::max()}), needed_first},
      {"train.local_steps", "0", "steps",
       "that a client takes a round instead, its batches going on from round to round; 0 is off",
       whole(local.local_steps, {0, std::numeric_limits<std::int32_t>::max()})},
      {"train.pieces", "1", "",
       "of a batch, whose gradients are averaged by all ranks; for data.partition = pooled",
       whole(local.pieces, {1, std::numeric_limits<std::int16_t>::max()})},
      {"train.nonfinite", "stop", "", "an update with NaN or infinite values",
       one_of(
           run.simulation.nonfinite,
           {{"stop", NonFinite::stop}, {"leave-out", NonFinite::leave_out, "it does not count"}})},
      {"train.loss", "auto", "", "auto: cross-entropy-dice for masks, cross-entropy for labels",
       one_of(local.loss.kind, {{"cross-entropy", LossKind::cross_entropy},
                                {"cross-entropy-dice", LossKind::cross_entropy_dice},
                                {"focal", LossKind::focal},
                                {"bce", LossKind::bce, "two classes share one output"}})},
      {"train.focal_gamma", "2", "", "gamma of the focal loss; 0 is cross entropy",
       number(local.loss.focal_gamma, at_least(0))},
      {"train.class_weights", "none", "",
       "of classes in the training loss: none | frequency (of all training images) | w0,w1,...",
       class_weights(local.loss)},
  };
}

/// "fedprox: weight of the proximal term (0.01); moon: ...": what a key means to each method.
std::string meanings_of(const std::string& key) {
  std::vector<std::pair<std::string, std::vector<std::string>>> meanings;
  for (const AlgorithmEntry& entry : algorithms()) {
    const auto own = std::ranges::find(entry.keys, key, &AlgorithmKey::name);
    if (own == entry.keys.end()) continue;
    const std::string meaning = concat(own->meaning, " (", own->default_text, ")");
    const auto known = std::ranges::find(meanings, meaning, [](const auto& m) { return m.first; });
    if (known == meanings.end()) {
      meanings.push_back({meaning, {entry.name}});
    } else {
      known->second.push_back(entry.name);
    }
  }
  std::vector<std::string> texts;
  for (const auto& [meaning, names] : meanings) texts.push_back(join(names) + ": " + meaning);
  return join(texts, "; ");
}

/// The method, and one key for each name that methods give to keys of theirs (their rows stand in
/// src/fl/methods/).
Keys algorithm_keys(SimulationOptions& s) {
  Keys keys{{"algorithm.name", "harmofl", "", "method, see `harmofl algorithms`",
             one_of_names(s.algorithm, algorithm_names()), needed_first}};
  for (const AlgorithmEntry& entry : algorithms()) {
    for (const AlgorithmKey& key : entry.keys) {
      const std::string name = "algorithm." + key.name;
      if (std::ranges::find(keys, name, &Key::name) != keys.end()) continue;
      keys.push_back(
          {name, "auto", "", meanings_of(key.name), method_value(s.algorithm_values, key.name)});
    }
  }
  return keys;
}

Keys amplitude_keys(AmplitudeOptions& amplitude) {
  const auto band = [&amplitude](const std::string& text) {
    parse_band(text, amplitude);
    return true;
  };
  return {
      {"amplitude.band", "auto", "", "amplitudes that are normalised: off | dc | low:L | full",
       text_of("a band", band), ordinary, "off"},
      {"amplitude.momentum", "0.1", "", "v of the running amplitude; 0 keeps the first batch's",
       number(amplitude.momentum, from_to(0, 1))},
      {"amplitude.update", "first-pass", "", "when it moves",
       one_of(amplitude.update_every_pass,
              {{"first-pass", false, "paper"}, {"every-pass", true, "code"}})},
      {"amplitude.record", "band", "", "what of it is kept",
       one_of(amplitude.record_spectrum, {{"band", false}, {"spectrum", true, "for analysis"}})},
  };
}

Keys perturbation_keys(PerturbationOptions& perturbation) {
  return {
      {"perturbation.alpha", "auto", "", "length of the weight perturbation; 0 is off",
       number(perturbation.alpha, at_least(0)), ordinary, "0"},
      {"perturbation.adaptive", "false", "", "perturb each weight in proportion to its size (ASAM)",
       flag(perturbation.adaptive)},
      {"perturbation.eta", "0", "", "ASAM: added to the size of each weight",
       number(perturbation.eta, at_least(0))},
  };
}

Keys personalize_keys(PersonalizationOptions& personalization) {
  return {
      {"personalize.epochs", "0", "epochs",
       "fine-tune the final model at each client that long, and measure it before and after",
       whole(personalization.epochs, {0, std::numeric_limits<std::int32_t>::max()}), may_change},
      {"personalize.rate", "0", "", "learning rate of that; 0 is train.lr",
       number(personalization.lr, at_least(0)), may_change},
  };
}

Keys comm_keys(SimulationOptions& s) {
  return {
      {"comm.transport", "auto", "", "who all-reduces",
       one_of(s.transport, {{"auto", TransportKind::automatic},
                            {"mpi", TransportKind::mpi},
                            {"nccl", TransportKind::nccl}}),
       may_change},
      {"comm.reduce", "fast", "", "how updates are added up",
       one_of(s.reduction, {{"fast", Reduction::fast},
                            {"exact", Reduction::exact,
                             "the same bits for any number of ranks of as many threads"}})},
      {"comm.placement", "auto", "",
       "what decides which rank trains a client; auto: measured with comm.reduce exact, whose "
       "result does not depend on it",
       one_of(s.placement, {{"samples", PlacementCosts::samples},
                            {"measured", PlacementCosts::measured, "seconds of earlier rounds"}}),
       may_change},
      {"comm.timeout", "auto", "seconds",
       "end the job when a rank shows no progress for so long; 0 is never; auto: from what the "
       "same work took before",
       auto_or_number(s.timeout_s, at_least(0), "comm.timeout"), may_change},
  };
}

Keys device_keys(RunOptions& run) {
  SimulationOptions& s = run.simulation;
  return {
      {"device.type", "cpu", "", "where ranks compute",
       one_of(run.device, {{"cpu", DeviceType::cpu}, {"cuda", DeviceType::cuda}}), may_change},
      {"device.lanes", "0", "lanes",
       "clients that a rank trains at the same time; 0 takes as many as it has cores and clients, "
       "1 on a GPU",
       whole(run.lanes, {0, std::numeric_limits<std::int16_t>::max()}), may_change},
      {"device.threads", "0", "threads",
       "compute threads a lane; 0 shares out the cores that lanes leave, or is 1 where "
       "comm.reduce is exact",
       whole(run.threads, {0, std::numeric_limits<std::int16_t>::max()}), may_change},
      {"device.precision", "fp32", "", "of the network's passes",
       one_of(s.model.precision, {{"fp32", Precision::fp32},
                                  {"bf16", Precision::bf16, "by autocast"},
                                  {"tf32", Precision::tf32, "GPU only"}})},
      {"device.deterministic", "auto", "",
       "a GPU adds in a fixed order and refuses operations that have none; auto: with comm.reduce "
       "exact",
       flag(run.deterministic), may_change},
      {"device.graphs", "false", "",
       "record the local step as a CUDA graph and replay it (GPU, methods that leave the local "
       "objective as it is)",
       flag(s.local.graphs), may_change},
  };
}

}  // namespace

std::vector<Key> keys_of(RunOptions& run) {
  SimulationOptions& s = run.simulation;
  Keys keys;
  for (const Keys& section :
       {run_keys(run), data_keys(run), cohort_keys(s.cohort), fleet_keys(s.fleet), model_keys(run),
        train_keys(run), algorithm_keys(s), amplitude_keys(s.model.amplitude),
        perturbation_keys(s.local.perturbation), personalize_keys(s.personalization), comm_keys(s),
        device_keys(run)}) {
    keys.insert(keys.end(), section.begin(), section.end());
  }
  return keys;
}

const std::vector<Key>& config_keys() {
  static RunOptions nobodys;
  static const std::vector<Key> keys = keys_of(nobodys);
  return keys;
}

}  // namespace harmofl
