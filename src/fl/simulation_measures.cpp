// What a simulation measures: models on val and test images, and the round itself.
#include "base/log.hpp"
#include "base/memory.hpp"
#include "fl/local/batch_statistics.hpp"
#include "fl/simulation.hpp"

#include <utility>

namespace harmofl {
namespace {

/// "  8 of 10 updates count", where some were lost.
std::string lost_text(const RoundRecord& record) {
  std::vector<std::string> reasons;
  for (const auto& [reason, clients] : record.lost) reasons.push_back(concat(clients, " ", reason));
  if (reasons.empty()) return "";
  return concat("  ", record.counted, " updates, lost: ", join(reasons));
}

}  // namespace

// The statistics of w_{t+1} over all training images, averaged with p_i.
void Simulation::recompute_statistics_of_clients() {
  const auto timed = times_.measure("recompute");
  const std::int64_t parameters = model_.parameter_count();
  const std::int64_t buffers = model_.network_count() - parameters;
  const torch::Tensor statistics = model_.state().state().narrow(0, parameters, buffers);
  aggregator_.begin({0, buffers, 0}, model_.device());
  for (const auto& [id, client] : hosting_.own()) {
    watchdog_.kick(concat("recomputing statistics of ", client.site, " in round ", round_));
    recompute_statistics(model_, client.split(Split::train), options_.local.batches);
    const bool finite = aggregator_.add(statistics, weights_[id.position()], client.site);
    if (!finite) {
      throw RankFailure(concat("client ", client.site,
                               ": the recomputed running statistics of the ",
                               "global model hold NaN or infinite values. Lower --train.lr."));
    }
  }
  statistics.copy_(aggregator_.reduce());
  sent_bytes_ += buffers * bytes_of(options_.reduction);
  global_.copy_(model_.state().state());
}

std::vector<Score> Simulation::evaluate_models() {
  if (options_.buffers == BufferPolicy::recompute) recompute_statistics_of_clients();
  const auto timed = times_.measure("evaluate");
  std::vector<Score> scores;
  const auto measure = [&](ClientId id, const ClientData& data) {
    watchdog_.kick(concat("evaluating on ", data.site, " in round ", round_));
    const std::vector<Score> found = evaluate_on(id, data);
    scores.insert(scores.end(), found.begin(), found.end());
  };
  if (federation_.measured_by_site) {
    for (const auto& [id, data] : sites_) measure(id, data);
    return scores;
  }
  for (const auto& [id, data] : hosting_.own()) {
    hosting_.with_state(id, [&](NamedState& kept) { personalize(model_, kept, *algorithm_); });
    measure(id, data);
    model_.state().state().copy_(global_);
  }
  return scores;
}

std::vector<Score> Simulation::evaluate_on(ClientId measured, const ClientData& data) {
  std::vector<Score> scores;
  for (const Split split : {Split::val, Split::test}) {
    const Stopwatch watch;
    const MetricValues values =
        evaluate(model_, data.split(split), federation_.shape.task, federation_.shape.classes,
                 options_.local.loss, options_.local.batches.batch_size);
    scores.push_back({measured, split, values, watch.elapsed_s()});
  }
  return scores;
}

// Brings what the ranks saw to the root, which writes it down.
void Simulation::report(const std::vector<Score>& own_scores, double seconds) {
  scores_ = gather_scores(own_scores, comm_);
  RoundRecord record{.round = round_,
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
  record.ranks = gather_rank_rounds(
      {times_.since(std::exchange(reported_seconds_, times_.seconds())), peak_memory_bytes()},
      comm_);
  bool best = false;
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    best = log_.record(round_, scores_);
    log_.record(record);
    for (const Score& score : scores_) {
      if (score.split == Split::train) hosting_.observe_cost(score.client, score.seconds);
    }
    log::info(concat("round ", round_, " (", round_.value() + 1, "/", options_.rounds, ")  ",
                     log_.headline(scores_), lost_text(record), best ? "  (best)" : "", "  ",
                     human_seconds(seconds)));
  });
  if (comm_.any(best)) save_best();
}

}  // namespace harmofl
