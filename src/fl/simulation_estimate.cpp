// SPDX-License-Identifier: Apache-2.0
// What the next round is expected to take: counted, and some of it done and timed.
#include "base/process/memory.hpp"
#include "data/batches/block_reader.hpp"
#include "data/batches/first_samples.hpp"
#include "data/batches/residence.hpp"
#include "fl/simulation.hpp"

#include <algorithm>
#include <cmath>

namespace harmofl {
namespace {

constexpr int turns = 3;
constexpr double turn_s = 1.0;  ///< A turn is so long at least, so that what begins it is little.
constexpr std::int64_t most_batches = 64;  ///< Of a turn.

std::int64_t in_batches(std::int64_t samples, std::int64_t batch_size) {
  return (samples + batch_size - 1) / batch_size;
}

/// Batches a turn, where one takes `batch_s` and there are `available`.
std::int64_t batches_a_turn(double batch_s, std::int64_t available) {
  const double wanted = std::ceil(turn_s / std::max(batch_s, 1e-6));
  const auto most = static_cast<double>(std::clamp<std::int64_t>(available, 1, most_batches));
  return static_cast<std::int64_t>(std::min(wanted, most));
}

/// Seconds of a batch by `work(batches)`, in three turns after one that is not counted.
template <class Work>
Turns time_batches(std::int64_t available, const Work& work) {
  const auto seconds = [&](std::int64_t batches) {
    const Stopwatch watch;
    work(batches);
    return watch.elapsed_s() / static_cast<double>(batches);
  };
  seconds(1);
  std::vector<double> measured{seconds(1)};
  const std::int64_t batches = batches_a_turn(measured[0], available);
  if (batches > 1) measured.clear();
  while (std::ssize(measured) < turns) measured.push_back(seconds(batches));
  return turns_of(std::move(measured));
}

/// What is held of a client's samples, or read ahead of them.
void add_samples(const ClientData& client, std::int64_t batch_size, RankEstimate& own) {
  own.sample_bytes += sample_bytes(client);
  for (const Samples& samples : client.splits) {
    if (!samples.source || samples.count() == 0) continue;
    const std::int64_t size = std::min(batch_size, samples.count());
    own.stream_bytes =
        std::max(own.stream_bytes,
                 read_ahead_bytes(*samples.source, size, in_batches(samples.count(), size)));
  }
}

/// Bytes that the optimiser keeps with a client.
std::int64_t moment_bytes(const OptimizerOptions& options, std::int64_t parameters) {
  const bool sgd = options.kind == OptimizerKind::sgd;
  const std::int64_t moments = sgd ? (options.effective_momentum() > 0.0 ? 1 : 0) : 2;
  return moments * parameters * std::int64_t{sizeof(float)};
}

/// The split of val and test that has more.
Split larger_split(const ClientData& data) {
  const bool val = data.split(Split::val).count() >= data.split(Split::test).count();
  return val ? Split::val : Split::test;
}

}  // namespace

RunEstimate Simulation::estimate(bool timed) {
  plan_the_round();
  RankEstimate own = asked_of_this_rank();
  if (timed) {
    time_training(own);
    time_evaluation(own);
    time_aggregation(own);
    own.stream_bytes = 0;  // is in what was measured
  }
  own.peak_bytes = peak_memory_bytes();
  const std::int64_t left = std::max<std::int64_t>(0, options_.rounds - state_.round.value());
  const std::int64_t every = options_.evaluate_every;
  return {.ranks = comm_.all_gather_value(own),
          .clients = std::ssize(trained_),
          .message_bytes = work_.upload_bytes,
          .rounds = left,
          .evaluations = every > 0 ? in_batches(left, every) : std::min<std::int64_t>(left, 1),
          .timed = timed};
}

std::vector<std::int64_t> Simulation::client_steps_to_come() const {
  const std::int64_t own_steps = 1 + std::ssize(state_.algorithm->moment_prefixes());
  const std::int64_t gradients = options_.local.perturbation.alpha > 0.0 ? 2 : 1;
  std::vector<std::int64_t> found;
  for (RoundId round = state_.round; round.value() < options_.rounds; ++round) {
    const RoundPlan plan = plan_round(options_.cohort, fleet_, work_, options_.seed, round);
    std::int64_t steps = 0;
    for (const ClientId id : plan.counted) steps += steps_of(id);
    for (const ClientId id : plan.wasted) steps += steps_of(id);
    found.push_back(steps * own_steps * gradients);
  }
  return found;
}

/// Steps of the base optimiser that a client takes in a round.
std::int64_t Simulation::steps_of(ClientId id) const {
  const LocalOptions& local = options_.local;
  if (local.local_steps > 0) return local.local_steps;
  const std::int64_t images = work_.samples[id.position()] / local.local_epochs;
  return in_batches(images, local.batches.batch_size) * local.local_epochs;
}

RankEstimate Simulation::asked_of_this_rank() const {
  RankEstimate own;
  const std::int64_t batch_size = options_.local.batches.batch_size;
  for (const ClientId id : trained_) {
    if (!hosting_.own().contains(id)) continue;
    const std::int64_t images = work_.samples[id.position()];
    ++own.clients;
    own.images += images;
    own.longest_images = std::max(own.longest_images, images);
    own.steps += steps_of(id);
  }
  const bool by_site = federation_.measured_by_site;
  for (const auto& [id, data] : by_site ? evaluation_.sites() : hosting_.own()) {
    own.evaluated += data.split(Split::val).count() + data.split(Split::test).count();
    if (by_site) add_samples(data, batch_size, own);
  }
  for (const auto& [id, data] : hosting_.own()) {
    add_samples(data, batch_size, own);
    if (options_.buffers == BufferPolicy::recompute) {
      own.evaluated += data.split(Split::train).count();
    }
  }
  own.lanes = lanes_.busy(own.clients);
  const auto measured = by_site ? std::ssize(evaluation_.sites()) : std::ssize(hosting_.own());
  own.evaluate_lanes = lanes_.busy(measured);
  own.stream_bytes *= own.lanes;
  if (own.lanes > 1) own.lane_bytes = lane_bytes(state_.model, options_.local);
  const std::int64_t parameters = state_.model.parameter_count();
  const bool perturbed = options_.local.perturbation.alpha > 0.0;
  const std::int64_t sums = exchange_.layout().length() * bytes_of(options_.reduction) * 2 +
                            (perturbed ? parameters * std::int64_t{sizeof(float)} : 0);
  std::int64_t states =
      moment_bytes(options_.local.optimizer, parameters) * std::ssize(hosting_.own());
  if (options_.state.memory_bytes > 0) states = std::min(states, options_.state.memory_bytes);
  own.to_come_bytes = sums + states + (own.lanes - 1) * own.lane_bytes + waiting_bytes(own);
  return own;
}

/// Messages that wait until it is their turn to be added.
std::int64_t Simulation::waiting_bytes(const RankEstimate& own) const {
  const bool in_order = taken_in(own.clients) == TakenIn::in_order;
  return in_order && own.lanes > 1 ? own.lanes * work_.upload_bytes : 0;
}

// The client with the most images trains, as often as it takes; the model is not needed any more.
void Simulation::time_training(RankEstimate& own) {
  watchdog_.kick("timing steps");
  const ClientId* longest = nullptr;
  for (const ClientId& id : trained_) {
    if (!hosting_.own().contains(id)) continue;
    const auto samples = [&](const ClientId& client) { return work_.samples[client.position()]; };
    if (longest == nullptr || samples(id) > samples(*longest)) longest = &id;
  }
  if (longest == nullptr) return;
  const ClientData& data = hosting_.own().at(*longest);
  LocalOptions options = options_.local;
  const std::int64_t samples = work_.samples[longest->position()] / options.local_epochs;
  options.local_epochs = 1;
  own.step_images = std::min(options.batches.batch_size, samples);
  hosting_.with_state(*longest, [&](NamedState& kept) {
    std::vector<NamedState> copies(static_cast<std::size_t>(own.lanes) - 1);
    own.step = time_batches(samples / own.step_images, [&](std::int64_t batches) {
      options.batches.max_samples = batches * own.step_images;
      in_lanes(own.lanes, [&](const Lane& lane, std::size_t i) {
        NamedState& own_kept = i == 0 ? kept : copies[i - 1];
        LocalTrainer trainer(lane.model, lane.algorithm, options);
        lane.model.state().state().copy_(state_.global);
        personalize_layers(lane.model, own_kept);
        trainer.train(data, {state_.round, *longest, options_.seed}, own_kept, state_.server);
      });
    });
  });
  const StateOptions& limit = options_.state;
  const std::int64_t one = hosting_.states().memory_bytes() + hosting_.states().file_bytes();
  std::int64_t others = one * (std::ssize(hosting_.own()) - 1);
  if (limit.memory_bytes > 0) others = std::min(others, limit.memory_bytes);
  own.to_come_bytes = others + waiting_bytes(own);
}

/// Does the same in so many lanes at the same time.
void Simulation::in_lanes(std::int64_t lanes,
                          const std::function<void(const Lane&, std::size_t)>& work) {
  const std::vector<double> alike(static_cast<std::size_t>(lanes), 1.0);
  lanes_.share_out(order_of(alike, TakenIn::as_they_come), TakenIn::as_they_come,
                   {.work = [&](std::int64_t lane, std::size_t i) { work(lanes_.at(lane), i); }});
}

void Simulation::time_evaluation(RankEstimate& own) {
  watchdog_.kick("timing the evaluation");
  const auto& measured = federation_.measured_by_site ? evaluation_.sites() : hosting_.own();
  const auto count = [](const auto& entry) {
    return entry.second.split(larger_split(entry.second)).count();
  };
  const auto largest = std::ranges::max_element(measured, {}, count);
  if (largest == measured.end() || count(*largest) == 0) return;
  const Samples& samples = largest->second.split(larger_split(largest->second));
  const std::int64_t size = std::min(options_.local.batches.batch_size, samples.count());
  const Turns batch = time_batches(samples.count() / size, [&](std::int64_t batches) {
    in_lanes(own.evaluate_lanes, [&](const Lane& lane, std::size_t) {
      evaluate(lane.model, first_samples(samples, batches * size), federation_.shape.task,
               federation_.shape.classes, options_.local.loss, size);
    });
  });
  own.evaluate_image_s = batch.median_s / static_cast<double>(size);
}

// Every client that counts has the same message here.
void Simulation::time_aggregation(RankEstimate& own) {
  updates_.begin(exchange_.layout(), state_.model.device(), plan_.counted);
  const torch::Tensor& state = state_.global;
  const torch::Tensor extra = torch::zeros({exchange_.layout().extra}, state.options());
  comm_.any(false);  // all are here
  const Stopwatch watch;
  for (const ClientId id : plan_.counted) {
    if (!hosting_.own().contains(id)) continue;
    updates_.add(id, exchange_.pack(state, extra), federation_.members[id.position()].site);
  }
  aggregate();
  own.aggregate_s = watch.elapsed_s();
}

}  // namespace harmofl
