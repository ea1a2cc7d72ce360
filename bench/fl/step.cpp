// SPDX-License-Identifier: Apache-2.0
// Local steps of one client, for a driver that has them timed in turn with another program's.
//
//   bench_step network=unet width=32 shard=FILE weights=FILE batch=4 format=channels-last threads=1
//
// Other words: program.hpp. Every line "N" on standard input is answered by the seconds that N
// local rounds of one epoch took, and the loss of the last. The amplitude is that of the first
// batch, and fixed from then on.
#include "base/timer.hpp"
#include "data/batches/residence.hpp"
#include "program.hpp"

namespace {

using namespace harmofl;

void steps(const bench::Arguments& arguments) {
  const torch::Device device = bench::choose_device(arguments);
  ClientData client = bench::load_samples(arguments);
  const auto model = bench::make_model(arguments, client, device);
  const LocalOptions options = bench::local_options(arguments, client);
  settle(client, device);
  const auto method = make_algorithm(arguments.text("method", "harmofl"), {});
  LocalTrainer trainer(*model, *method, options);
  NamedState kept;
  const NamedState server;
  std::int64_t round = 0;
  bench::serve([&](std::int64_t count) {  // a loss on the host is there when a GPU is done
    bench::Answer answer;
    const Stopwatch watch;
    for (std::int64_t i = 0; i < count; ++i, ++round) {
      answer.loss = trainer.train(client, {RoundId{round}, ClientId{0}, 0}, kept, server).loss;
      if (round == 0 && model->amplitude().active()) model->amplitude().freeze();
    }
    answer.seconds = watch.elapsed_s();
    return answer;
  });
}

}  // namespace

int main(int argc, char** argv) { return harmofl::bench::run_program(argc, argv, steps); }
