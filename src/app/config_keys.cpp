// SPDX-License-Identifier: Apache-2.0
#include "app/config.hpp"
#include "harmofl/base/text.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/model/network_options.hpp"

#include <algorithm>

namespace harmofl {
namespace {

/// What `key` stands for by method, where it is not `usual`: "0; fedsam, harmofl 0.05".
std::string by_method(const std::string& key, const std::string& usual) {
  std::map<std::string, std::vector<std::string>> methods;
  for (const AlgorithmEntry& entry : algorithms()) {
    if (const auto found = entry.defaults.find(key); found != entry.defaults.end()) {
      methods[found->second].push_back(entry.name);
    }
  }
  std::string text = usual;
  for (const auto& [value, names] : methods) text += concat("; ", join(names), " ", value);
  return text;
}

std::string network_choices() {
  std::vector<std::string> names;
  for (const NetworkDefaults& network : network_defaults()) names.push_back(network.name);
  return join(names, " | ");
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

/// One key for each name that methods give to keys of theirs.
std::vector<Key> algorithm_keys() {
  std::vector<Key> keys;
  for (const AlgorithmEntry& entry : algorithms()) {
    for (const AlgorithmKey& key : entry.keys) {
      const std::string name = "algorithm." + key.name;
      if (std::ranges::find(keys, name, &Key::name) != keys.end()) continue;
      keys.push_back({name, "auto", "", meanings_of(key.name)});
    }
  }
  return keys;
}

std::vector<Key> all_keys() {
  std::vector<Key> keys{
      {"run.name", "run", "", "name of the run, for people"},
      {"run.output", "", "folder", "run folder; default runs/<run.name>"},
      {"run.seed", "0", "", "seed of the initial model, the shuffling and the augmentation"},
      {"run.rounds", "10", "rounds", "communication rounds"},
      {"run.evaluate_every", "1", "rounds", "evaluate val and test of every site that often"},
      {"run.save_every", "10", "rounds", "write checkpoint.h5 that often (and at the end)"},
      {"run.save_minutes", "0", "minutes",
       "also write it after a round when the last save is so long ago; 0 is off"},
      {"run.keep", "2", "checkpoints", "how many the run folder holds, the newest included"},
      {"run.save_initial", "false", "", "write the model before the first round to initial.h5"},
      {"run.measure", "false", "",
       "also write each client's drift and gradient norm in every round to metrics.jsonl"},
      {"run.state_memory", "0", "MiB",
       "what a rank keeps in memory of its clients' state, the rest in run.scratch; 0 is all"},
      {"run.scratch", "", "folder", "for clients' state beyond run.state_memory; default TMPDIR"},
      {"run.resume", "false", "", "continue the run in run.output, if there is one"},

      {"data.shards", "", "folder", "folder with one HDF5 shard a site"},
      {"data.batch_size", "16", "images", "images a step, in training and evaluation"},
      {"data.weights", "uniform", "", "weight of a client in the average: uniform | samples"},
      {"data.truncate", "false", "", "every client uses as many samples as the smallest has"},
      {"data.augment", "true", "", "random rotations by 90 degrees and flips of training images"},
      {"data.shuffle", "true", "", "a new order of the training images in every epoch"},
      {"data.partition", "site", "",
       "who holds which images: site (a client a shard) | iid | dirichlet | quantity | patient"},
      {"data.clients", "0", "clients", "made by data.partition iid, dirichlet and quantity"},
      {"data.partition_alpha", "0.5", "",
       "concentration of dirichlet and quantity; smaller is more unequal"},
      {"data.evaluate", "auto", "",
       "val and test images by: clients | sites; auto: clients where a client is a site or has a "
       "model of its own"},

      {"cohort.size", "0", "clients", "that take part in a round; 0 is all"},
      {"cohort.sampling", "uniform", "",
       "uniform | weighted (by training images) | fixed (the same in every round)"},
      {"cohort.over_sampling", "1", "",
       "clients invited for each one wanted; the first to report count"},

      {"fleet.table", "", "file",
       "CSV with client,speed,bandwidth_mbit_s,latency_s,availability of simulated devices"},
      {"fleet.speed", "", "distribution",
       "relative speed of devices: 1 | uniform:0.5,2 | lognormal:0,0.5 | choice:1,0.5,0.1"},
      {"fleet.bandwidth", "", "Mbit/s", "likewise; empty is infinite"},
      {"fleet.latency", "", "seconds", "likewise, of each message; empty is 0"},
      {"fleet.availability", "", "", "likewise, probability of being there; empty is 1"},
      {"fleet.sample_time", "0", "seconds", "to train on one image once at speed 1"},
      {"fleet.deadline", "0", "seconds", "clients that would report later are aborted; 0 is none"},
      {"fleet.drop_before", "0", "", "probability that a client is lost before it trains"},
      {"fleet.drop_after", "0", "", "probability that it is lost after it trained"},

      {"model.name", "auto", "", "auto (unet for masks, cnn for labels) | " + network_choices()},
      {"model.width", "auto", "channels",
       "channels of the first level (unet 32, cnn 16, resnet18 64); densenet121: growth rate (32)"},
      {"model.norm", "auto", "",
       "batch-stateless | batch | group; auto by method and network: " +
           by_method("model.norm", "batch-stateless; resnet18 group; densenet121-plain batch")},
      {"model.projection", "auto", "",
       "none | mlp: a head F-F-256 behind the features; auto by method: " +
           by_method("model.projection", "none")},
      {"model.buffers", "average", "",
       "running statistics: average | local (each client its own) | recompute (when evaluated)"},
      {"model.weights", "", "file",
       "start from these weights: .safetensors, .pt or a checkpoint, .h5"},
      {"model.memory_format", "auto", "",
       "contiguous | channels-last; auto: channels-last with own kernels and batch norms"},
      {"model.kernels", "auto", "",
       "own | libtorch (for the network, the amplitude layer and the loss); auto: own on the CPU"},

      {"train.optimizer", "adam", "", "sgd | adam"},
      {"train.lr", "0.001", "", "learning rate"},
      {"train.momentum", "0.9", "", "momentum of sgd"},
      {"train.weight_decay", "0.0001", "", "L2 penalty"},
      {"train.local_epochs", "1", "epochs", "passes over its data that a client makes a round"},
      {"train.nonfinite", "stop", "",
       "an update with NaN or infinite values: stop | leave-out (it does not count)"},
      {"train.loss", "auto", "", "auto (by task) | cross-entropy | cross-entropy-dice"},

      {"algorithm.name", "harmofl", "",
       "method, see `harmofl algorithms`: " + join(algorithm_names(), " | ")},
      {"algorithm.alpha", "auto", "", "harmofl: another name of perturbation.alpha"},

      {"amplitude.band", "auto", "",
       "off | dc | low:L | full; auto by method: " + by_method("amplitude.band", "off")},
      {"amplitude.momentum", "0.1", "", "v of the running amplitude; 0 keeps the first batch's"},
      {"amplitude.update", "first-pass", "",
       "when it moves: first-pass (paper) | every-pass (code)"},
      {"amplitude.record", "band", "", "what of it is kept: band | spectrum (for analysis)"},

      {"perturbation.alpha", "auto", "",
       "length of the weight perturbation; 0 is off; auto by method: " +
           by_method("perturbation.alpha", "0")},
      {"perturbation.adaptive", "false", "",
       "perturb each weight in proportion to its size (ASAM)"},
      {"perturbation.eta", "0", "", "ASAM: added to the size of each weight"},

      {"comm.transport", "auto", "", "all-reduce by auto | mpi | nccl"},
      {"comm.reduce", "fast", "",
       "fast | exact (the same bits for any number of ranks of as many threads)"},
      {"comm.placement", "auto", "",
       "clients go to ranks by: samples | measured (seconds of earlier rounds); auto: measured "
       "with "
       "comm.reduce exact, whose result does not depend on it"},
      {"comm.timeout", "0", "seconds",
       "end the job when a rank shows no progress for so long; 0 is never"},

      {"device.type", "cpu", "", "cpu | cuda"},
      {"device.threads", "0", "threads",
       "compute threads a rank; 0 shares the host's cores out, or is 1 where comm.reduce is exact"},
      {"device.precision", "fp32", "",
       "of the network's passes: fp32 | bf16 (by autocast) | tf32 (GPU only)"},
      {"device.graphs", "false", "",
       "record the local step as a CUDA graph and replay it (GPU, methods that leave the local "
       "objective as it is)"},
  };
  const std::vector<Key> own = algorithm_keys();
  const auto after = std::ranges::find(keys, "algorithm.alpha", &Key::name);
  keys.insert(after, own.begin(), own.end());
  return keys;
}

}  // namespace

const std::vector<Key>& config_keys() {
  static const std::vector<Key> keys = all_keys();
  return keys;
}

}  // namespace harmofl
