// SPDX-License-Identifier: Apache-2.0
// The loop of a federated run. Ranks share nothing but the aggregate, so that everything between
// two all-reduces is local and a rank may host any number of clients.
#include "fl/simulation.hpp"

#include "base/fault.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "fl/local/batch_statistics.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <iterator>

namespace harmofl {
namespace {

/// Whether something done `every` so many rounds is due after `rounds_done` of them.
bool due(std::int64_t every, std::int64_t rounds_done) {
  return every > 0 && rounds_done % every == 0;
}

std::vector<ClientId> everyone(const Federation& federation) {
  std::vector<ClientId> clients;
  for (ClientId id{0}; id.value() < federation.size(); ++id) clients.push_back(id);
  return clients;
}

}  // namespace

Outcome Simulation::run() {
  Stopwatch since_save;
  while (state_.round.value() < options_.rounds) {
    run_round();
    const bool last = state_.round.value() == options_.rounds;
    const double unsaved_s = comm_.is_root() ? since_save.elapsed_s() : 0.0;  // one clock decides
    const bool late = options_.save_minutes > 0.0 && unsaved_s >= 60.0 * options_.save_minutes;
    const bool asked = comm_.any(interrupt_requested() || late);
    const bool interrupted = asked && comm_.any(interrupt_requested()) && !last;
    if (last || asked || due(options_.save_every, state_.round.value())) {
      watchdog_.kick(concat("saving after round ", state_.round));
      checkpoints_.save();
      since_save.reset();
    }
    if (interrupted) return Outcome::interrupted;
  }
  reporter_.write_summary(options_.algorithm, state_);
  return Outcome::finished;
}

void Simulation::run_round() {
  const Stopwatch watch;
  plan_the_round();
  std::vector<Score> scores = train_clients();
  aggregate();
  const std::int64_t rounds_done = state_.round.value() + 1;
  if (due(options_.evaluate_every, rounds_done) || rounds_done == options_.rounds) {
    const std::vector<Score> evaluated = evaluate_models();
    scores.insert(scores.end(), evaluated.begin(), evaluated.end());
  }
  report(scores, watch.elapsed_s());
}

// Who takes part, on which rank, and what everyone sends.
void Simulation::plan_the_round() {
  const auto timed = state_.times.measure("place");
  watchdog_.kick(concat("placing the clients of round ", state_.round));
  exchange_ = Exchange(state_.model, *state_.algorithm, options_.buffers);
  // A real client would send float32, whatever this simulation sums with.
  work_.upload_bytes = exchange_.layout().length() * bytes_of(Reduction::fast);
  work_.download_bytes = work_.upload_bytes;
  plan_ = plan_round(options_.cohort, fleet_, work_, options_.seed, state_.round);
  trained_.clear();
  std::ranges::merge(plan_.counted, plan_.wasted, std::back_inserter(trained_));
  moved_clients_ = hosting_.rebalance(trained_);
}

// Every client starts from w_t and adds p_i times its message to this rank's sum.
std::vector<Score> Simulation::train_clients() {
  const auto timed = state_.times.measure("train");
  updates_.begin(exchange_.layout(), state_.model.device(), plan_.counted);
  std::vector<Score> scores;
  for (const ClientId id : trained_) {
    const auto client = hosting_.own().find(id);
    if (client != hosting_.own().end()) scores.push_back(train_named(id, client->second));
  }
  return scores;
}

// Errors of libraries do not know whose they are: they get the client's name here.
Score Simulation::train_named(ClientId id, const ClientData& data) {
  watchdog_.kick(concat("training client ", data.site, " in round ", state_.round));
  log::progress(concat("round ", state_.round, " (", state_.round.value() + 1, "/", options_.rounds,
                       "), training ", data.site));
  try {
    fault_point("train", comm_.rank().value(), state_.round.value());
    Score score;
    hosting_.with_state(id, [&](NamedState& kept) { score = train_client(id, data, kept); });
    return score;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw RankFailure(concat("client ", data.site, " in round ", state_.round, ": ", error.what()));
  }
}

Score Simulation::train_client(ClientId id, const ClientData& data, NamedState& kept) {
  const Stopwatch watch;
  const torch::Tensor state = state_.model.state().state();
  state.copy_(state_.global);
  const bool own_layers = personalize_layers(state_.model, kept);
  const ClientReport report =
      trainer_.train(data, {state_.round, id, options_.seed}, kept, state_.server,
                     own_layers ? torch::Tensor() : state_.global);
  state_.times.add({{"input", report.input_s}, {"train", -report.input_s}});
  if (observe_update_) observe_update_(id, report.update);
  exchange_.keep_local(state_.model.state(), kept);
  count_update(id, exchange_.pack(state, report.extra), kept);
  Score score{id, Split::train, {{"loss", report.loss}}, 0.0};
  if (options_.local.measure) {
    score.values["drift"] = report.drift;
    score.values["gradient_norm"] = report.gradient_norm;
  }
  score.seconds = watch.elapsed_s();
  return score;
}

// Adds the message to the average, if it is to count and can.
void Simulation::count_update(ClientId id, const torch::Tensor& message, NamedState& kept) {
  if (!std::ranges::binary_search(plan_.counted, id)) return;
  const std::string& site = federation_.members[id.position()].site;
  if (updates_.add(id, message, site)) return;
  const std::string problem =
      concat("client ", site, ": its model holds NaN or infinite values after local training");
  if (options_.nonfinite == NonFinite::stop) {
    throw RankFailure(concat(problem, ". Lower --train.lr or --perturbation.alpha, look at its ",
                             "images with `harmofl inspect`, or leave such updates out with ",
                             "--train.nonfinite leave-out."));
  }
  log::warn_once(concat(problem, " in round ", state_.round,
                        ". Its update is left out and what it ",
                        "kept is forgotten (train.nonfinite = leave-out)."));
  kept.drop("");
  updates_.leave_out(id);
}

// w_{t+1} from sum p_i w_i, by the method's server step; the same on every rank.
void Simulation::aggregate() {
  watchdog_.kick(concat("waiting for the other ranks in round ", state_.round));
  {
    const auto timed = state_.times.measure("wait");
    left_out_ = updates_.agree_on_left_out();
    plan_.counted = updates_.counted();
  }
  const auto timed = state_.times.measure("aggregate");
  if (!plan_.counted.empty()) return step_server();
  log::info(concat("round ", state_.round, ": no update counts, so the model stays as it is"));
  state_.model.state().state().copy_(state_.global);
  state_.model.amplitude()
      .begin_client();  // forgets what clients whose updates are lost have shown
}

void Simulation::step_server() {
  torch::NoGradGuard no_grad;
  const torch::Tensor average = updates_.average();
  state_.sent_bytes += average.numel() * bytes_of(options_.reduction);
  const torch::Tensor next = state_.model.state().state();
  exchange_.unpack(average, state_.global, next);
  const std::int64_t parameters = state_.model.parameter_count();
  const std::int64_t extra = exchange_.layout().extra;
  ServerRound round{state_.global.narrow(0, 0, parameters), next.narrow(0, 0, parameters),
                    average.narrow(0, average.numel() - extra, extra), state_.server,
                    updates_.participation()};
  state_.algorithm->server_step(round);
  // The running amplitude of the first round stays (method.md, section 2).
  if (!state_.model.amplitude().frozen()) state_.model.amplitude().freeze();
  state_.global.copy_(next);
}

// The statistics of w_{t+1} over all training images, averaged with p_i.
void Simulation::recompute_statistics_of_clients() {
  const auto timed = state_.times.measure("recompute");
  Model& model = state_.model;
  const std::int64_t parameters = model.parameter_count();
  const std::int64_t buffers = model.network_count() - parameters;
  const torch::Tensor statistics = model.state().state().narrow(0, parameters, buffers);
  updates_.begin({0, buffers, 0}, model.device(), everyone(federation_));
  for (const auto& [id, client] : hosting_.own()) {
    watchdog_.kick(concat("recomputing statistics of ", client.site, " in round ", state_.round));
    recompute_statistics(model, client.split(Split::train), options_.local.batches);
    if (!updates_.add(id, statistics, client.site)) {
      throw RankFailure(concat("client ", client.site,
                               ": the recomputed running statistics of the ",
                               "global model hold NaN or infinite values. Lower --train.lr."));
    }
  }
  statistics.copy_(updates_.average());
  state_.sent_bytes += buffers * bytes_of(options_.reduction);
  state_.global.copy_(model.state().state());
}

std::vector<Score> Simulation::evaluate_models() {
  if (options_.buffers == BufferPolicy::recompute) recompute_statistics_of_clients();
  const auto timed = state_.times.measure("evaluate");
  return evaluation_.scores(state_, hosting_, watchdog_);
}

// Says what the round was, which is done then, and keeps its model if it is the best.
void Simulation::report(const std::vector<Score>& own_scores, double seconds) {
  RoundRecord record{.round = state_.round,
                     .seconds = seconds,
                     .clients = std::ssize(trained_),
                     .counted = std::ssize(plan_.counted),
                     .lost = {},
                     .simulated_s = plan_.simulated_s,
                     .sent_bytes = exchange_.layout().length() * bytes_of(options_.reduction),
                     .moved_clients = moved_clients_,
                     .ranks = {}};
  for (const auto& [client, loss] : plan_.lost) ++record.lost[std::string(to_string(loss))];
  if (!left_out_.empty()) record.lost["not_finite"] = std::ssize(left_out_);
  const bool best = reporter_.report(record, own_scores, state_.times);
  for (const Score& score : reporter_.scores()) {
    if (score.split == Split::train) hosting_.observe_cost(score.client, score.seconds);
  }
  ++state_.round;
  if (best) checkpoints_.save_best();
}

}  // namespace harmofl
