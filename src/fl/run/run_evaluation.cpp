// SPDX-License-Identifier: Apache-2.0
#include "fl/run/run_evaluation.hpp"

#include "base/range.hpp"
#include "base/timer.hpp"
#include "fl/aggregate/exchange.hpp"
#include "fl/clients/placement.hpp"
#include "fl/local/batch_statistics.hpp"
#include "harmofl/base/error.hpp"

#include <span>
#include <utility>

namespace harmofl {
namespace {

/// Those of `sites` that this rank measures on, by the ids of their scores, which begin at `first`;
/// their training samples only where they are wanted.
std::map<ClientId, ClientData> load_sites(const Communicator& comm, std::span<const Member> sites,
                                          ClientId first, bool with_train,
                                          const Hosting::ClientLoader& load) {
  std::map<ClientId, ClientData> own;
  std::vector<double> costs;
  for (const Member& site : sites) {
    costs.push_back(static_cast<double>(site.count(Split::val) + site.count(Split::test)));
  }
  const std::vector<Rank> owner = place(costs, comm.size());
  comm.agree([&] {
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (owner[i] != comm.rank()) continue;
      Member site = sites[i];
      if (!with_train) site.part.samples[static_cast<std::size_t>(Split::train)].clear();
      own.emplace(ClientId{first.value() + static_cast<std::int64_t>(i)}, load(site));
    }
  });
  return own;
}

/// Refuses, on every rank alike, sites held out on which nothing could be measured or estimated.
void check_held_out(const Federation& federation, NewSiteStatistics statistics) {
  for (const Member& site : federation.held_out) {
    HARMOFL_VALIDATE(site.count(Split::val) + site.count(Split::test) > 0, site.shard.string(),
                     ": site ", site.site, " is held out, but has neither val nor test samples to ",
                     "measure it by. Leave it out of data.hold_out and of data.shards.");
    HARMOFL_VALIDATE(statistics == NewSiteStatistics::global || site.count(Split::train) > 0,
                     site.shard.string(), ": site ", site.site, " is held out and has no training ",
                     "images to estimate its running statistics from. Set ",
                     "--data.hold_out_statistics global.");
  }
}

}  // namespace

RunEvaluation::RunEvaluation(const Communicator& comm, const Federation& federation,
                             const Hosting::ClientLoader& load, RunEvaluationOptions options)
    : federation_(federation), options_(std::move(options)) {
  comm.agree([&] { check_held_out(federation, options_.new_sites); });
  if (federation.measured_by_site) {
    sites_ = load_sites(comm, federation.sites, ClientId{0}, false, load);
  }
  if (federation.held_out.empty()) return;
  held_out_ = load_sites(comm, federation.held_out, ClientId{std::ssize(federation.measured())},
                         options_.new_sites == NewSiteStatistics::estimated, load);
}

/// What a model is measured on.
struct RunEvaluation::Subject {
  enum class Kind { site, client, new_site };

  Kind kind;
  ClientId id;
  const ClientData& data;
  NamedState* kept = nullptr;  ///< What it keeps, of a client while it is measured.
  std::vector<Score> scores = {};
  std::vector<Picture> pictures = {};

  std::int64_t samples() const {
    return data.split(Split::val).count() + data.split(Split::test).count();
  }
};

std::vector<RunEvaluation::Subject> RunEvaluation::subjects(const Hosting& hosting) const {
  std::vector<Subject> found;
  for (const auto& [id, data] : sites_) found.push_back({Subject::Kind::site, id, data});
  for (const auto& [id, data] : hosting.own()) {
    if (!federation_.measured_by_site) found.push_back({Subject::Kind::client, id, data});
  }
  for (const auto& [id, data] : held_out_) found.push_back({Subject::Kind::new_site, id, data});
  return found;
}

std::vector<Score> RunEvaluation::scores(RunState& state, Hosting& hosting, Lanes& lanes,
                                         Watchdog& watchdog, std::vector<Picture>* pictures) const {
  std::vector<Subject> all = subjects(hosting);
  std::vector<double> sizes;
  for (const Subject& subject : all) sizes.push_back(static_cast<double>(subject.samples()));
  const auto begin = [&](std::size_t i) {
    Subject& subject = all[i];
    const bool is_new = subject.kind == Subject::Kind::new_site;
    watchdog.kick(concat("evaluating on ", subject.data.site, is_new ? ", held out," : ""),
                  concat("in round ", state.round), lanes.silence(std::ssize(all)));
    if (subject.kind == Subject::Kind::client) subject.kept = &hosting.open_state(subject.id);
  };
  const auto work = [&](std::int64_t lane, std::size_t i) {
    measure(all[i], lanes.at(lane).model, state, pictures != nullptr);
  };
  const auto end = [&](std::size_t i) {
    if (all[i].kept != nullptr) hosting.close_state(all[i].id);
  };
  const TakenIn order = TakenIn::as_they_come;
  lanes.share_out(order_of(sizes, order), order, {.begin = begin, .work = work, .end = end});
  state.model.state().state().copy_(state.global);
  std::vector<Score> scores;
  for (const Subject& subject : all) {
    scores.insert(scores.end(), subject.scores.begin(), subject.scores.end());
    if (pictures != nullptr) {
      pictures->insert(pictures->end(), subject.pictures.begin(), subject.pictures.end());
    }
  }
  return scores;
}

// A new site has nothing of its own, so that it gets the global model.
void RunEvaluation::measure(Subject& subject, Model& model, const RunState& state,
                            bool pictured) const {
  const Range range("evaluate client", {"client", subject.data.site});
  model.state().state().copy_(state.global);
  if (subject.kept != nullptr) personalize(model, *subject.kept, *state.algorithm);
  if (subject.kind == Subject::Kind::new_site &&
      options_.new_sites == NewSiteStatistics::estimated) {
    recompute_statistics(model, subject.data.split(Split::train), options_.batches);
  }
  const bool shown = pictured && subject.id.value() < pictured_sites;
  subject.scores = scores_on(model, subject.id, federation_.measured_at(subject.id), subject.data,
                             shown ? &subject.pictures : nullptr);
}

std::vector<Score> RunEvaluation::scores_on(Model& model, ClientId id, const Member& member,
                                            const ClientData& data,
                                            std::vector<Picture>* pictures) const {
  const Split pictured = data.split(Split::test).count() > 0 ? Split::test : Split::val;
  std::vector<Score> scores;
  for (const Split split : {Split::val, Split::test}) {
    const Stopwatch watch;
    const MeasureOptions measures{federation_.shape.task, federation_.shape.classes,
                                  options_.measures, federation_.spacing_of(member, split)};
    BatchObserver observer;
    if (pictures != nullptr && split == pictured) {
      observer = [&](const Batch& batch, const torch::Tensor& logits) {
        *pictures = pictures_of(id, split, batch.images, batch.targets, logits);
      };
    }
    const MetricSums sums = measure_split(model, data.split(split), measures, options_.loss,
                                          options_.batches.batch_size, observer);
    scores.push_back({id, split, sums.values(), watch.elapsed_s(), sums.samples()});
  }
  return scores;
}

}  // namespace harmofl
