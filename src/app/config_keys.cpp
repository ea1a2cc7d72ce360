#include "harmofl/app/config.hpp"

namespace harmofl {

const std::vector<Key>& config_keys() {
  static const std::vector<Key> keys{
      {"run.name", "run", "", "name of the run, for people"},
      {"run.output", "", "folder", "run folder; default runs/<run.name>"},
      {"run.seed", "0", "", "seed of the initial model, the shuffling and the augmentation"},
      {"run.rounds", "10", "rounds", "communication rounds"},
      {"run.evaluate_every", "1", "rounds", "evaluate val and test of every site that often"},
      {"run.save_every", "10", "rounds", "write checkpoint.h5 that often (and at the end)"},
      {"run.resume", "false", "", "continue the run in run.output, if there is one"},

      {"data.shards", "", "folder", "folder with one HDF5 shard a site"},
      {"data.batch_size", "16", "images", "images a step, in training and evaluation"},
      {"data.weights", "uniform", "", "weight of a client in the average: uniform | samples"},
      {"data.truncate", "false", "", "every client uses as many samples as the smallest has"},
      {"data.augment", "true", "", "random rotations by 90 degrees and flips of training images"},
      {"data.shuffle", "true", "", "a new order of the training images in every epoch"},

      {"model.name", "auto", "", "auto (unet for masks, cnn for labels) | unet | cnn"},
      {"model.width", "32", "channels", "channels of the first level"},
      {"model.norm", "batch-stateless", "", "batch-stateless | batch | group"},
      {"model.memory_format", "contiguous", "",
       "contiguous | channels-last (faster with batch norms)"},

      {"train.optimizer", "adam", "", "sgd | adam"},
      {"train.lr", "0.001", "", "learning rate"},
      {"train.momentum", "0.9", "", "momentum of sgd"},
      {"train.weight_decay", "0.0001", "", "L2 penalty"},
      {"train.local_epochs", "1", "epochs", "passes over its data that a client makes a round"},
      {"train.loss", "auto", "", "auto (by task) | cross-entropy | cross-entropy-dice"},

      {"algorithm.name", "harmofl", "", "method: fedavg | harmofl"},
      {"algorithm.alpha", "auto", "", "harmofl: another name of perturbation.alpha"},

      {"amplitude.band", "auto", "",
       "auto (by method: fedavg off, harmofl dc) | off | dc | low:L | full"},
      {"amplitude.momentum", "0.1", "", "v of the running amplitude; 0 keeps the first batch's"},
      {"amplitude.update", "first-pass", "",
       "when it moves: first-pass (paper) | every-pass (code)"},
      {"amplitude.record", "band", "", "what of it is kept: band | spectrum (for analysis)"},

      {"perturbation.alpha", "auto", "",
       "length of the weight perturbation; 0 is off; auto by method: fedavg 0, harmofl 0.05"},

      {"comm.transport", "auto", "", "all-reduce by auto | mpi | nccl"},
      {"comm.reduce", "fast", "",
       "fast | exact (the same bits for any number of ranks of as many threads)"},
      {"comm.timeout", "0", "seconds",
       "end the job when a rank shows no progress for so long; 0 is never"},

      {"device.type", "cpu", "", "cpu | cuda"},
      {"device.threads", "0", "threads",
       "compute threads a rank; 0 shares the host's cores out, or is 1 where comm.reduce is exact"},
  };
  return keys;
}

}  // namespace harmofl
