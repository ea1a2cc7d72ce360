// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_evaluation.hpp"

#include "base/timer.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/clients/placement.hpp"
#include "harmofl/base/text.hpp"

namespace harmofl {
namespace {

/// The sites that this rank measures on, with val and test alone; none where clients are measured.
std::map<ClientId, ClientData> load_sites(const Communicator& comm, const Federation& federation,
                                          const Hosting::ClientLoader& load) {
  std::map<ClientId, ClientData> own;
  if (!federation.measured_by_site) return own;
  std::vector<double> costs;
  for (const Member& site : federation.sites) {
    costs.push_back(static_cast<double>(site.count(Split::val) + site.count(Split::test)));
  }
  const std::vector<Rank> owner = place(costs, comm.size());
  comm.agree([&] {
    for (ClientId id{0}; id.position() < owner.size(); ++id) {
      if (owner[id.position()] != comm.rank()) continue;
      Member site = federation.sites[id.position()];
      site.part.samples[static_cast<std::size_t>(Split::train)].clear();
      own.emplace(id, load(site));
    }
  });
  return own;
}

}  // namespace

RunEvaluation::RunEvaluation(const Communicator& comm, const Federation& federation,
                             const Hosting::ClientLoader& load, LossKind loss,
                             std::int64_t batch_size)
    : federation_(federation),
      loss_(loss),
      batch_size_(batch_size),
      sites_(load_sites(comm, federation, load)) {}

std::vector<Score> RunEvaluation::scores(RunState& state, Hosting& hosting,
                                         Watchdog& watchdog) const {
  std::vector<Score> scores;
  const auto measure = [&](ClientId id, const ClientData& data) {
    watchdog.kick(concat("evaluating on ", data.site, " in round ", state.round));
    const std::vector<Score> found = scores_on(state.model, id, data);
    scores.insert(scores.end(), found.begin(), found.end());
  };
  if (federation_.measured_by_site) {
    for (const auto& [id, data] : sites_) measure(id, data);
    return scores;
  }
  for (const auto& [id, data] : hosting.own()) {
    hosting.with_state(id,
                       [&](NamedState& kept) { personalize(state.model, kept, *state.algorithm); });
    measure(id, data);
    state.model.state().state().copy_(state.global);
  }
  return scores;
}

std::vector<Score> RunEvaluation::scores_on(Model& model, ClientId measured,
                                            const ClientData& data) const {
  std::vector<Score> scores;
  for (const Split split : {Split::val, Split::test}) {
    const Stopwatch watch;
    const MetricValues values = evaluate(model, data.split(split), federation_.shape.task,
                                         federation_.shape.classes, loss_, batch_size_);
    scores.push_back({measured, split, values, watch.elapsed_s()});
  }
  return scores;
}

}  // namespace harmofl
