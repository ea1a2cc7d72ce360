// SPDX-License-Identifier: Apache-2.0
// The steps of a round without the round: the same network, loss, perturbation and optimiser on
// batches that are there already, as floats. What `harmofl train` takes longer is what it adds:
// cutting and augmenting batches, clients' states, aggregation, metrics, records.
//
//   bench_bare_round network=cnn width=16 method=fedavg shard=FILE weights=FILE batch=10
//                    steps=50 format=channels-last threads=1
//
// Every line "N" on standard input is answered by the seconds of N rounds of `steps` steps, and the
// loss of the last. The batches of the shard are taken in turn.
#include "base/timer.hpp"
#include "data/batches/batches.hpp"
#include "program.hpp"

namespace {

using namespace harmofl;

std::vector<Batch> all_batches(const Samples& samples, const BatchOptions& options) {
  std::vector<Batch> batches;
  BatchStream stream(samples, options);
  while (auto batch = stream.next()) batches.push_back(std::move(*batch));
  return batches;
}

void rounds(const bench::Arguments& arguments) {
  const torch::Device device = bench::choose_device(arguments);
  const ClientData client = bench::load_samples(arguments);
  const auto model = bench::make_model(arguments, client, device);
  const LocalOptions options = bench::local_options(arguments, client);
  const std::vector<Batch> batches = all_batches(client.split(Split::train), options.batches);
  const std::int64_t steps = arguments.number("steps");

  model->set_training(true);
  model->amplitude().observe(batches.front().images);
  if (model->amplitude().active()) model->amplitude().freeze();
  const bool perturbed = options.perturbation.alpha > 0.0;
  torch::Tensor delta = perturbed ? torch::empty_like(model->state().gradients()) : torch::Tensor();
  const Optimizer optimizer(options.optimizer);
  NamedState moments;
  std::size_t next = 0;
  const auto step = [&] {
    const Batch& batch = batches[next++ % batches.size()];
    const torch::Tensor images = model->amplitude().observe(batch.images);
    const auto gradient = [&] {
      model->state().gradients().zero_();
      torch::Tensor value = loss(options.loss, model->forward(images), batch.targets);
      value.backward();
      return value.detach();
    };
    const torch::Tensor first = gradient();
    if (perturbed) {
      perturb(model->state(), options.perturbation, delta);
      gradient();
    }
    optimizer.step(model->state(), moments, "optimizer.", delta);
    return first;
  };
  bench::serve([&](std::int64_t count) {
    torch::Tensor last;
    const Stopwatch watch;
    for (std::int64_t i = 0; i < count * steps; ++i) last = step();
    return bench::Answer{watch.elapsed_s(), last.item<double>()};
  });
}

}  // namespace

int main(int argc, char** argv) { return harmofl::bench::run_program(argc, argv, rounds); }
