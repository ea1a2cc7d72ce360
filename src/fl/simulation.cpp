// SPDX-License-Identifier: Apache-2.0
// The loop of a federated run. Ranks share nothing but the aggregate, so that everything between
// two all-reduces is local and a rank may host any number of clients.
#include "fl/simulation.hpp"

#include "base/log.hpp"
#include "base/process/interrupt.hpp"
#include "base/range.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

namespace harmofl {
namespace {

/// Whether something done `every` so many rounds is due after `rounds_done` of them.
bool due(std::int64_t every, std::int64_t rounds_done) {
  return every > 0 && rounds_done % every == 0;
}

}  // namespace

Outcome Simulation::run() {
  Stopwatch since_save;
  while (!is_done()) {
    run_round();
    const bool last = is_done();
    const double unsaved_s = comm_.is_root() ? since_save.elapsed_s() : 0.0;  // one clock decides
    const bool late = options_.save_minutes > 0.0 && unsaved_s >= 60.0 * options_.save_minutes;
    const bool asked = comm_.any(interrupt_requested() || late);
    const bool interrupted = asked && comm_.any(interrupt_requested()) && !last;
    if (last || asked || due(options_.save_every, state_.round.value())) {
      watchdog_.kick("saving", concat("after round ", state_.round));
      checkpoints_.save();
      since_save.reset();
    }
    if (trace_ != nullptr) trace_->write();
    if (interrupted) return Outcome::interrupted;
  }
  return finish();
}

bool Simulation::is_done() const {
  return state_.round.value() >= options_.rounds || reporter_.out_of_patience();
}

// What comes after the last round, of which a checkpoint keeps nothing: it is done anew when a run
// is resumed.
Outcome Simulation::finish() {
  const bool all_rounds = state_.round.value() >= options_.rounds;
  nlohmann::json more = {{"stopped_by", all_rounds ? "run.rounds" : "run.patience"}};
  if (!all_rounds) {
    log::info(concat("stopping after ", state_.round, " round(s): the last ", options_.patience,
                     " measured were not better than the best (run.patience)"));
  }
  const PersonalizationOptions& tuning = options_.personalization;
  if (tuning.epochs > 0) {
    const auto tuned = personalize_clients(state_, hosting_, lanes_, evaluation_, federation_,
                                           options_.local, tuning, options_.seed, comm_, watchdog_);
    if (!tuned) return Outcome::interrupted;
    more["personalized"] = reporter_.report(*tuned);
    more["personalized"]["epochs"] = tuning.epochs;
    more["personalized"]["lr"] = tuning_options(options_.local, tuning).optimizer.lr;
  }
  reporter_.write_summary(options_.algorithm, state_, more);
  return Outcome::finished;
}

void Simulation::run_round() {
  const Range range("round", {"round", state_.round.value()});
  const Stopwatch watch;
  plan_the_round();
  if (fingerprints_) {
    const auto timed = state_.times.measure("fingerprint");
    fingerprints_->begin(state_.round, state_.global);
  }
  std::vector<Score> scores;
  if (state_.algorithm->sequential()) {
    for (const ClientId id : trained_) take_turn({id}, scores);
  } else {
    take_turn(trained_, scores);
  }
  if (!plan_.counted.empty()) {
    state_.sent_bytes += exchange_.layout().length() * bytes_of(options_.reduction);
  }
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
  report_work("waiting for the clients to be placed", Work::waiting);
  exchange_ = Exchange(state_.model, *state_.algorithm, options_.buffers);
  // A real client would send float32, whatever this simulation sums with.
  work_.upload_bytes = exchange_.layout().length() * bytes_of(Reduction::fast);
  work_.download_bytes = work_.upload_bytes;
  plan_ = plan_round(options_.cohort, fleet_, work_, options_.seed, state_.round);
  trained_.clear();
  std::ranges::merge(plan_.counted, plan_.wasted, std::back_inserter(trained_));
  moved_clients_ = hosting_.rebalance(trained_);
  left_out_.clear();
  client_steps_ = 0;
}

// The clients of a turn all start from w_t; w_{t+1} is what the next turn starts from.
void Simulation::take_turn(const std::vector<ClientId>& clients, std::vector<Score>& scores) {
  train_clients(clients, scores);
  aggregate();
}

void Simulation::report_work(const std::string& what, Work work) {
  watchdog_.kick(what, concat("in round ", state_.round), work);
}

// w_{t+1} from sum p_i w_i, by the method's server step; the same on every rank.
void Simulation::aggregate() {
  report_work("waiting for the other ranks", Work::waiting);
  {
    const auto timed = state_.times.measure("wait");
    for (const ClientId id : updates_.agree_on_left_out()) {
      left_out_.push_back(id);
      std::erase(plan_.counted, id);
    }
  }
  const auto timed = state_.times.measure("aggregate");
  report_work("summing over the ranks", Work::together);  // all of them are here now
  if (!updates_.counted().empty()) return step_server();
  log::info(concat("round ", state_.round, ": no update counts, so the model stays as it is"));
  state_.model.state().state().copy_(state_.global);
  state_.model.amplitude()
      .begin_client();  // forgets what clients whose updates are lost have shown
}

void Simulation::step_server() {
  torch::NoGradGuard no_grad;
  const torch::Tensor average = updates_.average();
  const torch::Tensor next = state_.model.state().state();
  exchange_.unpack(average, state_.global, next);
  if (fingerprints_) {
    const Stopwatch watch;
    fingerprints_->take_average(next);
    const double hashing_s = watch.elapsed_s();
    state_.times.add({{"fingerprint", hashing_s}, {"aggregate", -hashing_s}});
  }
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

std::vector<Score> Simulation::evaluate_models() {
  if (options_.buffers == BufferPolicy::recompute) recompute_statistics_of_clients();
  const auto timed = state_.times.measure("evaluate");
  pictures_.clear();
  return evaluation_.scores(state_, hosting_, lanes_, watchdog_,
                            pictures_are_due() ? &pictures_ : nullptr);
}

bool Simulation::pictures_are_due() const {
  const TensorboardOptions& wanted = options_.tensorboard;
  return wanted.on && harmofl::pictures_are_due(wanted.images_every, state_.round.value() + 1,
                                                options_.evaluate_every, options_.rounds);
}

// Says what the round was, which is done then, and keeps its model if it is the best.
void Simulation::report(const std::vector<Score>& own_scores, double seconds) {
  report_work("waiting for the other ranks to evaluate", Work::waiting);
  const Range range("report");
  RoundRecord record{.round = state_.round,
                     .seconds = seconds,
                     .clients = std::ssize(trained_),
                     .counted = std::ssize(plan_.counted),
                     .lost = {},
                     .simulated_s = plan_.simulated_s,
                     .sent_bytes = exchange_.layout().length() * bytes_of(options_.reduction),
                     .moved_clients = moved_clients_,
                     .ranks = {}};
  if (options_.local.schedule.moves()) {
    record.lr = learning_rate(options_.local.schedule, options_.local.optimizer.lr, state_.round);
  }
  for (const auto& [client, loss] : plan_.lost) ++record.lost[std::string(to_string(loss))];
  if (!left_out_.empty()) record.lost["not_finite"] = std::ssize(left_out_);
  if (fingerprints_) {
    const auto timed = state_.times.measure("fingerprint");
    fingerprints_->end(state_.global, state_.server, plan_.counted);
  }
  if (pictures_are_due()) reporter_.show(std::exchange(pictures_, {}));
  const bool best = reporter_.report(record, own_scores, client_steps_, state_.times);
  for (const Score& score : reporter_.scores()) {
    if (score.split == Split::train) hosting_.observe_cost(score.client, score.seconds);
  }
  ++state_.round;
  if (best) checkpoints_.save_best();
}

}  // namespace harmofl
