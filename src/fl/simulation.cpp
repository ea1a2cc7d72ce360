// The loop of a federated run. Ranks share nothing but the aggregate, so that everything between
// two all-reduces is local and a rank may host any number of clients.
#include "harmofl/fl/simulation.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/fault.hpp"
#include "harmofl/base/interrupt.hpp"
#include "harmofl/base/log.hpp"

#include <nlohmann/json.hpp>

namespace harmofl {
namespace {

std::vector<std::int64_t> training_costs(const Federation& federation, bool truncate) {
  std::vector<std::int64_t> costs;
  for (const Member& member : federation.members) {
    costs.push_back(truncate ? federation.smallest() : member.count(Split::train));
  }
  return costs;
}

LocalOptions with_truncation(LocalOptions local, const Federation& federation, bool truncate) {
  if (truncate) local.batches.most_samples = federation.smallest();
  return local;
}

/// Whether something done `every` so many rounds is due after `rounds_done` of them.
bool due(std::int64_t every, std::int64_t rounds_done) {
  return every > 0 && rounds_done % every == 0;
}

}  // namespace

Simulation::Simulation(const Communicator& comm, const SimulationOptions& options,
                       Federation federation, const ClientLoader& load, torch::Device device,
                       const RunFolder* folder)
    : comm_(comm),
      options_(options),
      federation_(std::move(federation)),
      folder_(folder),
      weights_(aggregation_weights(federation_, options.weights, options.truncate)),
      placement_(place(training_costs(federation_, options.truncate), comm.size())),
      model_(options.model, federation_.shape, options.seed, device),
      global_(model_.state().state().clone()),
      algorithm_(find_algorithm(options.algorithm).make()),
      trainer_(model_, with_truncation(options.local, federation_, options.truncate)),
      transport_(make_transport(options.transport, comm, device.is_cuda())),
      aggregator_(*transport_, options.reduction),
      log_(federation_, folder),
      watchdog_(options.timeout_s, comm.rank()) {
  comm_.agree([&] {
    for (ClientId id{0}; id.value() < federation_.size(); ++id) {
      if (placement_[id.position()] != comm_.rank()) continue;
      clients_.push_back({id, load(federation_.members[id.position()]), {}});
    }
  });
}

Outcome Simulation::run() {
  while (round_.value() < options_.rounds) {
    run_round();
    const bool last = round_.value() == options_.rounds;
    const bool interrupted = comm_.any(interrupt_requested()) && !last;
    if (last || interrupted || due(options_.save_every, round_.value())) save();
    if (interrupted) return Outcome::interrupted;
  }
  write_summary();
  return Outcome::finished;
}

void Simulation::run_round() {
  const Stopwatch watch;
  std::vector<Score> scores = train_clients();
  aggregate();
  const std::int64_t rounds_done = round_.value() + 1;
  if (due(options_.evaluate_every, rounds_done) || rounds_done == options_.rounds) {
    const std::vector<Score> evaluated = evaluate_clients();
    scores.insert(scores.end(), evaluated.begin(), evaluated.end());
  }
  report(scores, watch.elapsed_s());
  ++round_;
}

// Every client starts from w_t and adds p_i w_i to this rank's sum.
std::vector<Score> Simulation::train_clients() {
  const auto timed = times_.measure("train");
  const torch::Tensor state = model_.state().state();
  aggregator_.begin(model_.aggregated_count(), model_.parameter_count(), model_.device());
  std::vector<Score> scores;
  for (LocalClient& client : clients_) {
    watchdog_.kick(concat("training client ", client.data.site, " in round ", round_));
    log::progress(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds,
                         "), training ", client.data.site));
    fault_point("train", comm_.rank().value(), round_.value());
    const Stopwatch watch;
    state.copy_(global_);
    const ClientReport report =
        trainer_.train(client.data, client.state, {round_, client.id, options_.seed});
    aggregator_.add(state.narrow(0, 0, model_.aggregated_count()), weights_[client.id.position()],
                    client.data.site);
    scores.push_back({client.id, Split::train, {{"loss", report.loss}}, watch.elapsed_s()});
  }
  return scores;
}

// w_{t+1} from sum p_i w_i, by the method's server step; the same on every rank.
void Simulation::aggregate() {
  watchdog_.kick(concat("waiting for the other ranks in round ", round_));
  {
    const auto timed = times_.measure("wait");
    comm_.barrier();
  }
  const auto timed = times_.measure("aggregate");
  const torch::Tensor& average = aggregator_.reduce();
  model_.state().state().copy_(global_);
  algorithm_->server_step(model_, average);
  global_.copy_(model_.state().state());
}

std::vector<Score> Simulation::evaluate_clients() {
  const auto timed = times_.measure("evaluate");
  std::vector<Score> scores;
  for (const LocalClient& client : clients_) {
    watchdog_.kick(concat("evaluating client ", client.data.site, " in round ", round_));
    for (const Split split : {Split::val, Split::test}) {
      const Stopwatch watch;
      const MetricValues values = evaluate(model_, client.data.split(split), federation_.shape.task,
                                           federation_.shape.classes, options_.local.loss,
                                           options_.local.batches.batch_size);
      scores.push_back({client.id, split, values, watch.elapsed_s()});
    }
  }
  return scores;
}

void Simulation::report(const std::vector<Score>& own_scores, double seconds) {
  scores_ = gather_scores(own_scores, comm_);
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    const bool best = log_.record(round_, scores_);
    if (best) save_best();
    log::info(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds, ")  ",
                     log_.headline(scores_), best ? "  (best)" : "", "  ", human_seconds(seconds)));
  });
}

}  // namespace harmofl
