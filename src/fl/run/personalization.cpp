// SPDX-License-Identifier: Apache-2.0
#include "fl/run/personalization.hpp"

#include "base/process/interrupt.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/record/split_summary.hpp"
#include "harmofl/base/error.hpp"
#include "io/formats/csv.hpp"

#include <nlohmann/json.hpp>

#include <cmath>

namespace harmofl {
namespace {

using nlohmann::json;

/// "" for what is not finite, as null in JSON.
std::string number_cell(double value) { return std::isfinite(value) ? exact_text(value) : ""; }

void check_finite(const Model& model, const std::string& site) {
  if (model.state().state().isfinite().all().item<bool>()) return;
  throw RankFailure(concat("client ", site, ": its fine-tuned model holds NaN or infinite values. ",
                           "Lower --personalize.rate."));
}

/// A client with its scores before and after.
struct Tuned {
  ClientId id;
  const ClientData& data;
  NamedState* kept = nullptr;
  std::vector<Score> before = {}, after = {};
};

}  // namespace

LocalOptions tuning_options(LocalOptions local, const PersonalizationOptions& options) {
  local.local_epochs = options.epochs;
  local.local_steps = 0;
  local.pieces = 1;
  if (options.lr > 0.0) local.optimizer.lr = options.lr;
  local.schedule = {};
  local.perturbation = {};
  local.batches.max_samples = -1;
  local.measure = false;
  local.graphs = false;
  local.fingerprints = false;
  return local;
}

std::optional<Personalized> personalize_clients(
    RunState& state, Hosting& hosting, Lanes& lanes, const RunEvaluation& evaluation,
    const Federation& federation, const LocalOptions& local, const PersonalizationOptions& options,
    std::uint64_t seed, const Communicator& comm, Watchdog& watchdog) {
  const auto timed = state.times.measure("personalize");
  const auto plain = make_algorithm("fedavg", {});
  const LocalOptions tuning = tuning_options(local, options);
  const NamedState no_server;
  std::vector<Tuned> all;
  std::vector<double> sizes;
  for (const auto& [id, data] : hosting.own()) {
    all.push_back({id, data});
    sizes.push_back(static_cast<double>(data.split(Split::train).count()));
  }
  const auto begin = [&](std::size_t i) {
    watchdog.kick(concat("fine-tuning at ", all[i].data.site), "", lanes.silence(std::ssize(all)));
    all[i].kept = &hosting.open_state(all[i].id);
  };
  const auto work = [&](std::int64_t lane, std::size_t i) {
    if (interrupt_requested()) return;
    auto& [id, data, kept, before, after] = all[i];
    Model& model = lanes.at(lane).model;
    const Member& member = federation.members[id.position()];
    model.state().state().copy_(state.global);
    personalize(model, *kept, *state.algorithm);
    before = evaluation.scores_on(model, id, member, data);
    LocalTrainer trainer(model, *plain, tuning);
    NamedState moments;
    trainer.train(data, {state.round, id, seed}, moments, no_server);
    check_finite(model, data.site);
    after = evaluation.scores_on(model, id, member, data);
  };
  const auto end = [&](std::size_t i) { hosting.close_state(all[i].id); };
  const TakenIn order = TakenIn::as_they_come;
  lanes.share_out(order_of(sizes, order), order, {.begin = begin, .work = work, .end = end});
  state.model.state().state().copy_(state.global);
  watchdog.kick("waiting for the other ranks to fine-tune", "", Work::waiting);
  if (comm.any(interrupt_requested())) return std::nullopt;
  std::vector<Score> before, after;
  for (const Tuned& tuned : all) {
    before.insert(before.end(), tuned.before.begin(), tuned.before.end());
    after.insert(after.end(), tuned.after.begin(), tuned.after.end());
  }
  return Personalized{gather_scores(before, comm), gather_scores(after, comm)};
}

json to_json(const Personalized& personalized, const Federation& federation,
             const MeasureOptions& measures) {
  const auto name_of = [&](ClientId id) { return federation.members[id.position()].site; };
  const auto table = [&](const std::vector<Score>& scores, Split split) {
    return summary_table(summarize(scores, split, measures, federation.class_names, name_of));
  };
  json found = json::object();
  for (const Split split : {Split::val, Split::test}) {
    found[std::string(to_string(split))] = {{"before", table(personalized.before, split)},
                                            {"after", table(personalized.after, split)}};
  }
  return found;
}

std::string personalized_csv(const Personalized& personalized, const Federation& federation) {
  std::string text = "site,split,measure,before,after\n";
  for (std::size_t i = 0; i < personalized.before.size(); ++i) {
    const Score& before = personalized.before[i];
    const Score& after = personalized.after.at(i);
    HARMOFL_EXPECT(before.client == after.client && before.split == after.split);
    for (const auto& [name, value] : before.values) {
      text += concat(csv_field(federation.members[before.client.position()].site), ",",
                     to_string(before.split), ",", csv_field(name), ",", number_cell(value), ",",
                     number_cell(after.values.at(name)), "\n");
    }
  }
  return text;
}

}  // namespace harmofl
