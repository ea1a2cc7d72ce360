// The loop of a federated run. Ranks share nothing but the aggregate, so that everything between
// two all-reduces is local and a rank may host any number of clients.
#include "harmofl/fl/simulation.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/fault.hpp"
#include "harmofl/base/interrupt.hpp"
#include "harmofl/base/log.hpp"
#include "harmofl/fl/batch_statistics.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

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

/// Of one value of a message.
std::int64_t bytes_of(Reduction reduction) { return reduction == Reduction::exact ? 8 : 4; }

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
      algorithm_(make_algorithm(options.algorithm, options.algorithm_values)),
      trainer_(model_, *algorithm_, with_truncation(options.local, federation_, options.truncate)),
      transport_(make_transport(options.transport, comm, device.is_cuda())),
      aggregator_(*transport_, options.reduction),
      exchange_(model_, *algorithm_, options.buffers),
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
  Stopwatch since_save;
  while (round_.value() < options_.rounds) {
    run_round();
    const bool last = round_.value() == options_.rounds;
    const double unsaved_s = comm_.is_root() ? since_save.elapsed_s() : 0.0;  // one clock decides
    const bool late = options_.save_minutes > 0.0 && unsaved_s >= 60.0 * options_.save_minutes;
    const bool asked = comm_.any(interrupt_requested() || late);
    const bool interrupted = asked && comm_.any(interrupt_requested()) && !last;
    if (last || asked || due(options_.save_every, round_.value())) {
      save();
      since_save.reset();
    }
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

// Every client starts from w_t and adds p_i times its message to this rank's sum.
std::vector<Score> Simulation::train_clients() {
  const auto timed = times_.measure("train");
  exchange_ = Exchange(model_, *algorithm_, options_.buffers);
  aggregator_.begin(exchange_.layout(), model_.device());
  std::vector<Score> scores;
  for (LocalClient& client : clients_) {
    watchdog_.kick(concat("training client ", client.data.site, " in round ", round_));
    log::progress(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds,
                         "), training ", client.data.site));
    fault_point("train", comm_.rank().value(), round_.value());
    scores.push_back(train_client(client));
  }
  return scores;
}

Score Simulation::train_client(LocalClient& client) {
  const Stopwatch watch;
  const torch::Tensor state = model_.state().state();
  state.copy_(global_);
  personalize_layers(model_, client.state);
  const ClientReport report =
      trainer_.train(client.data, {round_, client.id, options_.seed}, client.state, server_state_);
  if (observe_update_) observe_update_(client.id, report.update);
  exchange_.keep_local(model_.state(), client.state);
  aggregator_.add(exchange_.pack(state, report.extra), weights_[client.id.position()],
                  client.data.site);
  Score score{client.id, Split::train, {{"loss", report.loss}}, 0.0};
  if (options_.local.measure) {
    score.values["drift"] = report.drift;
    score.values["gradient_norm"] = report.gradient_norm;
  }
  score.seconds = watch.elapsed_s();
  return score;
}

// w_{t+1} from sum p_i w_i, by the method's server step; the same on every rank.
void Simulation::aggregate() {
  watchdog_.kick(concat("waiting for the other ranks in round ", round_));
  {
    const auto timed = times_.measure("wait");
    comm_.barrier();
  }
  const auto timed = times_.measure("aggregate");
  torch::NoGradGuard no_grad;
  const torch::Tensor& sum = aggregator_.reduce();
  sent_bytes_ += sum.numel() * bytes_of(options_.reduction);
  const torch::Tensor next = global_.clone();
  exchange_.unpack(sum, next);
  const std::int64_t parameters = model_.parameter_count();
  const std::int64_t extra = exchange_.layout().extra;
  ServerRound round{global_.narrow(0, 0, parameters), next.narrow(0, 0, parameters),
                    sum.narrow(0, sum.numel() - extra, extra), server_state_};
  algorithm_->server_step(round);
  model_.install(next.narrow(0, 0, model_.aggregated_count()));
  global_.copy_(model_.state().state());
}

// The statistics of w_{t+1} over all training images, averaged with p_i.
void Simulation::recompute_statistics_of_clients() {
  const auto timed = times_.measure("recompute");
  const std::int64_t parameters = model_.parameter_count();
  const std::int64_t buffers = model_.network_count() - parameters;
  const torch::Tensor statistics = model_.state().state().narrow(0, parameters, buffers);
  aggregator_.begin({0, buffers, 0}, model_.device());
  for (const LocalClient& client : clients_) {
    watchdog_.kick(concat("recomputing statistics of ", client.data.site, " in round ", round_));
    recompute_statistics(model_, client.data.split(Split::train), options_.local.batches);
    aggregator_.add(statistics, weights_[client.id.position()], client.data.site);
  }
  statistics.copy_(aggregator_.reduce());
  sent_bytes_ += buffers * bytes_of(options_.reduction);
  global_.copy_(model_.state().state());
}

std::vector<Score> Simulation::evaluate_clients() {
  if (options_.buffers == BufferPolicy::recompute) recompute_statistics_of_clients();
  const auto timed = times_.measure("evaluate");
  std::vector<Score> scores;
  for (const LocalClient& client : clients_) {
    watchdog_.kick(concat("evaluating client ", client.data.site, " in round ", round_));
    personalize(model_, client.state, *algorithm_);
    for (const Split split : {Split::val, Split::test}) {
      const Stopwatch watch;
      const MetricValues values = evaluate(model_, client.data.split(split), federation_.shape.task,
                                           federation_.shape.classes, options_.local.loss,
                                           options_.local.batches.batch_size);
      scores.push_back({client.id, split, values, watch.elapsed_s()});
    }
    model_.state().state().copy_(global_);
  }
  return scores;
}

std::vector<std::string> Simulation::cautions() const {
  const NormKind norm = options_.model.network.norm;
  std::vector<std::string> found =
      algorithm_->cautions({options_.local.optimizer, options_.weights, norm, options_.buffers});
  if (options_.buffers != BufferPolicy::average && norm != NormKind::batch) {
    found.emplace_back(
        "model.buffers says how running statistics are handled, but only those of model.norm = "
        "batch exist: it changes nothing here.");
  }
  return found;
}

const NamedState* Simulation::state_of(ClientId client) const {
  const auto found = std::ranges::find(clients_, client, &LocalClient::id);
  return found == clients_.end() ? nullptr : &found->state;
}

void Simulation::report(const std::vector<Score>& own_scores, double seconds) {
  scores_ = gather_scores(own_scores, comm_);
  bool best = false;
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    best = log_.record(round_, scores_);
    log::info(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds, ")  ",
                     log_.headline(scores_), best ? "  (best)" : "", "  ", human_seconds(seconds)));
  });
  if (comm_.any(best)) save_best();
}

}  // namespace harmofl
