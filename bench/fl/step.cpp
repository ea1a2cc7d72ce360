// SPDX-License-Identifier: Apache-2.0
// Local steps of one client, for a driver that has them timed in turn with another program's.
//
//   bench_step network=unet width=32 shard=FILE weights=FILE batch=4 format=channels-last threads=1
//
// Other words: program.hpp. Every line "N" on standard input is answered by the seconds that a
// local round of N steps took, batch after batch of the shard and on from where the last round
// ended, and by its mean loss: what a round costs beside its steps is paid once a line. The
// amplitude is that of the first batch, and fixed from then on.
#include "base/timer.hpp"
#include "data/batches/residence.hpp"
#include "program.hpp"

#include <map>

namespace {

using namespace harmofl;

void fix_amplitude(Model& model, const ClientData& client, const BatchOptions& options) {
  if (!model.amplitude().active()) return;
  BatchStream batches(client.split(Split::train), options);
  model.amplitude().observe(batches.next()->images);
  model.amplitude().freeze();
}

void steps(const bench::Arguments& arguments) {
  const torch::Device device = bench::choose_device(arguments);
  ClientData client = bench::load_samples(arguments);
  bench::write_samples(arguments, client);
  const auto model = bench::make_model(arguments, client, device);
  LocalOptions options = bench::local_options(arguments, client);
  SampleBudget all(sample_bytes(client));
  settle(client, device, &all);
  fix_amplitude(*model, client, options.batches);
  const auto method = make_algorithm(arguments.text("method", "harmofl"), {});
  std::map<std::int64_t, LocalTrainer> trainers;  // by steps of a round; all share what is kept
  NamedState kept;
  const NamedState server;
  std::int64_t round = 0;
  bench::serve([&](std::int64_t count) {  // a loss on the host is there when a GPU is done
    options.local_steps = count;
    LocalTrainer& trainer = trainers.try_emplace(count, *model, *method, options).first->second;
    bench::Answer answer;
    const Stopwatch watch;
    answer.loss = trainer.train(client, {RoundId{round++}, ClientId{0}, 0}, kept, server).loss;
    answer.seconds = watch.elapsed_s();
    return answer;
  });
}

}  // namespace

int main(int argc, char** argv) { return harmofl::bench::run_program(argc, argv, steps); }
