// SPDX-License-Identifier: Apache-2.0
#include "fl/local/batch_statistics.hpp"

#include "model/networks/norm.hpp"

namespace harmofl {

void recompute_statistics(Model& model, const Samples& samples, const BatchOptions& batches) {
  torch::NoGradGuard no_grad;
  model.reset_statistics();
  model.set_training(true);
  BatchOptions plain = batches;
  plain.augment = false;
  plain.format = model.memory_format();
  BatchStream stream(samples, plain);
  double seen = 0.0;
  while (const auto batch = stream.next()) {
    // The mean of n values from that of n - 1: momentum 1/n.
    model.set_statistics_momentum(1.0 / ++seen);
    model.forward(model.amplitude().normalize(batch->images));
  }
  model.set_statistics_momentum(default_statistics_momentum);
}

}  // namespace harmofl
