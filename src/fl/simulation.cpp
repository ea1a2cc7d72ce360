// The loop of a federated run. Ranks share nothing but the aggregate, so that everything between
// two all-reduces is local and a rank may host any number of clients.
#include "fl/simulation.hpp"

#include "base/fault.hpp"
#include "base/interrupt.hpp"
#include "base/log.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <iterator>
#include <sstream>

namespace harmofl {
namespace {

/// Whether something done `every` so many rounds is due after `rounds_done` of them.
bool due(std::int64_t every, std::int64_t rounds_done) {
  return every > 0 && rounds_done % every == 0;
}

}  // namespace

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
  plan_the_round();
  std::vector<Score> scores = train_clients();
  aggregate();
  const std::int64_t rounds_done = round_.value() + 1;
  if (due(options_.evaluate_every, rounds_done) || rounds_done == options_.rounds) {
    const std::vector<Score> evaluated = evaluate_models();
    scores.insert(scores.end(), evaluated.begin(), evaluated.end());
  }
  report(scores, watch.elapsed_s());
  ++round_;
}

// Who takes part, on which rank, and what everyone sends.
void Simulation::plan_the_round() {
  const auto timed = times_.measure("place");
  watchdog_.kick(concat("placing the clients of round ", round_));
  exchange_ = Exchange(model_, *algorithm_, options_.buffers);
  // A real client would send float32, whatever this simulation sums with.
  work_.upload_bytes = exchange_.layout().length() * bytes_of(Reduction::fast);
  work_.download_bytes = work_.upload_bytes;
  plan_ = plan_round(options_.cohort, fleet_, work_, options_.seed, round_);
  plan_weight_ = weight_of(plan_.counted);
  trained_.clear();
  std::ranges::merge(plan_.counted, plan_.wasted, std::back_inserter(trained_));
  moved_clients_ = hosting_.rebalance(trained_);
}

// Every client starts from w_t and adds p_i times its message to this rank's sum.
std::vector<Score> Simulation::train_clients() {
  const auto timed = times_.measure("train");
  aggregator_.begin(exchange_.layout(), model_.device());
  left_out_.clear();
  std::vector<Score> scores;
  for (const ClientId id : trained_) {
    const auto client = hosting_.own().find(id);
    if (client != hosting_.own().end()) scores.push_back(train_own(id, client->second));
  }
  return scores;
}

// Errors of libraries do not know whose they are: they get the client's name here.
Score Simulation::train_own(ClientId id, const ClientData& data) {
  watchdog_.kick(concat("training client ", data.site, " in round ", round_));
  log::progress(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds,
                       "), training ", data.site));
  try {
    fault_point("train", comm_.rank().value(), round_.value());
    Score score;
    hosting_.with_state(id, [&](NamedState& kept) { score = train_client(id, data, kept); });
    return score;
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw RankFailure(concat("client ", data.site, " in round ", round_, ": ", error.what()));
  }
}

Score Simulation::train_client(ClientId id, const ClientData& data, NamedState& kept) {
  const Stopwatch watch;
  const torch::Tensor state = model_.state().state();
  state.copy_(global_);
  const bool own_layers = personalize_layers(model_, kept);
  const ClientReport report = trainer_.train(data, {round_, id, options_.seed}, kept, server_state_,
                                             own_layers ? torch::Tensor() : global_);
  times_.add({{"input", report.input_s}, {"train", -report.input_s}});
  if (observe_update_) observe_update_(id, report.update);
  exchange_.keep_local(model_.state(), kept);
  count_update(id, exchange_.pack(state, report.extra), kept);
  Score score{id, Split::train, {{"loss", report.loss}}, 0.0};
  if (options_.local.measure) {
    score.values["drift"] = report.drift;
    score.values["gradient_norm"] = report.gradient_norm;
  }
  score.seconds = watch.elapsed_s();
  return score;
}

// Adds the message to the sum, if it is to count and can.
void Simulation::count_update(ClientId id, const torch::Tensor& message, NamedState& kept) {
  if (!std::ranges::binary_search(plan_.counted, id)) return;
  const std::string& site = federation_.members[id.position()].site;
  if (aggregator_.add(message, weights_[id.position()] / plan_weight_, site)) return;
  const std::string problem =
      concat("client ", site, ": its model holds NaN or infinite values after local training");
  if (options_.nonfinite == NonFinite::stop) {
    throw RankFailure(concat(problem, ". Lower --train.lr or --perturbation.alpha, look at its ",
                             "images with `harmofl inspect`, or leave such updates out with ",
                             "--train.nonfinite leave-out."));
  }
  log::warn_once(concat(problem, " in round ", round_, ". Its update is left out and what it kept ",
                        "is forgotten (train.nonfinite = leave-out)."));
  kept.drop("");
  left_out_.push_back(id);
}

/// Share that clients have of the weights of all.
double Simulation::weight_of(const std::vector<ClientId>& clients) const {
  if (clients.size() == weights_.size()) return 1.0;
  double sum = 0.0;
  for (const ClientId id : clients) sum += weights_[id.position()];
  return sum;
}

// w_{t+1} from sum p_i w_i, by the method's server step; the same on every rank.
void Simulation::aggregate() {
  watchdog_.kick(concat("waiting for the other ranks in round ", round_));
  {
    const auto timed = times_.measure("wait");
    left_out_ = agree_on_left_out();
  }
  const auto timed = times_.measure("aggregate");
  for (const ClientId id : left_out_) std::erase(plan_.counted, id);
  if (plan_.counted.empty()) {
    log::info(concat("round ", round_, ": no update counts, so the model stays as it is"));
    model_.state().state().copy_(global_);
    model_.amplitude().begin_client();  // forgets what clients whose updates are lost have shown
    return;
  }
  torch::NoGradGuard no_grad;
  torch::Tensor sum = aggregator_.reduce();
  sent_bytes_ += sum.numel() * bytes_of(options_.reduction);
  const double participation = weight_of(plan_.counted);
  if (!left_out_.empty()) sum = sum * (plan_weight_ / participation);  // the p_i sum to 1 again
  step_server(sum, participation);
}

// The clients of all ranks whose updates could not be added. Ranks meet here.
std::vector<ClientId> Simulation::agree_on_left_out() {
  if (options_.nonfinite == NonFinite::stop) {
    comm_.barrier();
    return {};
  }
  std::vector<std::string> own;
  for (const ClientId id : left_out_) own.push_back(concat(id));
  std::vector<ClientId> all;
  for (const std::string& text : comm_.all_gather(join(own, " "))) {
    std::istringstream ids(text);
    for (std::int64_t id = 0; ids >> id;) all.emplace_back(id);
  }
  std::ranges::sort(all);
  return all;
}

void Simulation::step_server(const torch::Tensor& sum, double participation) {
  const torch::Tensor next = model_.state().state();
  exchange_.unpack(sum, global_, next);
  const std::int64_t parameters = model_.parameter_count();
  const std::int64_t extra = exchange_.layout().extra;
  ServerRound round{global_.narrow(0, 0, parameters), next.narrow(0, 0, parameters),
                    sum.narrow(0, sum.numel() - extra, extra), server_state_, participation};
  algorithm_->server_step(round);
  // The running amplitude of the first round stays (method.md, section 2).
  if (!model_.amplitude().frozen()) model_.amplitude().freeze();
  global_.copy_(next);
}

}  // namespace harmofl
