// SPDX-License-Identifier: Apache-2.0
// The clients' work of a round, in lanes: what a client computes is its own, what several touch is
// touched by one at a time.
#include "base/log.hpp"
#include "base/process/fault.hpp"
#include "base/process/free_memory.hpp"
#include "base/process/memory.hpp"
#include "fl/lanes/lane_memory.hpp"
#include "fl/local/batch_statistics.hpp"
#include "fl/simulation.hpp"
#include "harmofl/base/error.hpp"
#include "model/fingerprint.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace harmofl {

/// One client's work in a turn.
struct Simulation::ClientTurn {
  ClientId id;
  const ClientData& data;
  NamedState* kept = nullptr;  ///< What it keeps; open while it is at work.
  torch::Tensor state = {};    ///< State that it has trained: its lane's.
  torch::Tensor message = {};  ///< A copy of its message, where that had to be set aside.
  ClientReport report = {};
  Score score = {};
  ClientFingerprints fingerprints = {};  ///< Where the run is hashed.
  double fingerprint_s = 0.0;            ///< Seconds of the lane that this took.
};

namespace {

std::vector<ClientId> everyone(const Federation& federation) {
  std::vector<ClientId> clients;
  for (ClientId id{0}; id.value() < federation.size(); ++id) clients.push_back(id);
  return clients;
}

/// "client north", "clients north, south".
std::string clients_text(const std::vector<std::string>& sites) {
  return concat(sites.size() == 1 ? "client " : "clients ", join(sites));
}

}  // namespace

// Every client adds p_i times its message to this rank's sum.
void Simulation::train_clients(const std::vector<ClientId>& clients, std::vector<Score>& scores) {
  const auto timed = state_.times.measure("train");
  std::vector<ClientId> counting;
  std::ranges::set_intersection(clients, plan_.counted, std::back_inserter(counting));
  updates_.begin(exchange_.layout(), state_.model.device(), std::move(counting));
  if (options_.local.pieces > 1) {
    for (const ClientId id : clients) train_together(id, scores);
    return;
  }
  std::vector<ClientTurn> turns;
  for (const ClientId id : clients) {
    const auto client = hosting_.own().find(id);
    if (client != hosting_.own().end()) turns.push_back({id, client->second});
  }
  train_in_lanes(turns);
  for (const ClientTurn& turn : turns) scores.push_back(turn.score);
}

// All ranks take the steps of one client, each by some pieces of every batch; its own rank's result
// counts.
void Simulation::train_together(ClientId id, std::vector<Score>& scores) {
  std::vector<ClientTurn> turns{{id, hosting_.lend(id)}};
  train_in_lanes(turns);
  hosting_.take_back(id);
  if (is_own(id)) scores.push_back(turns.front().score);
}

TakenIn Simulation::taken_in(std::int64_t items) const {
  const bool exact = options_.reduction == Reduction::exact && lanes_.busy(items) > 1;
  return exact ? TakenIn::as_they_come : TakenIn::in_order;
}

void Simulation::train_in_lanes(std::vector<ClientTurn>& turns) {
  std::vector<double> sizes;
  for (const ClientTurn& turn : turns) {
    sizes.push_back(static_cast<double>(work_.samples[turn.id.position()]));
  }
  const TakenIn order = taken_in(std::ssize(turns));
  const auto lanes = static_cast<double>(lanes_.busy(std::ssize(turns)));
  std::vector<std::string> at_work;
  const auto say = [&] {
    if (at_work.empty()) return;
    report_work(concat("training ", clients_text(at_work)), lanes_.silence(std::ssize(turns)));
  };
  const auto begin = [&](std::size_t i) {
    at_work.push_back(turns[i].data.site);
    say();
    log::progress(concat("round ", state_.round, " (", state_.round.value() + 1, "/",
                         options_.rounds, "), training ", join(at_work)));
    named(turns[i], [&] { turns[i].kept = &hosting_.open_state(turns[i].id); });
  };
  const auto work = [&](std::int64_t lane, std::size_t i) {
    named(turns[i], [&] { train_client(lanes_.at(lane), turns[i]); });
  };
  const auto end = [&](std::size_t i) {
    // Of the time that all lanes took together, not of each.
    const double input_s = turns[i].report.input_s / lanes;
    state_.times.add({{"input", input_s}, {"train", -input_s}});
    if (fingerprints_) {
      const double hashing_s = turns[i].fingerprint_s / lanes;
      state_.times.add({{"fingerprint", hashing_s}, {"train", -hashing_s}});
    }
    named(turns[i], [&] { take_in(turns[i]); });
    std::erase(at_work, turns[i].data.site);
    say();
  };
  share_out_turns(order_of(sizes, order), order,
                  {.begin = begin, .work = work, .end = end, .set_aside = [&](std::size_t i) {
                     set_aside(turns[i]);
                   }});
}

// How many lanes there are changes no bit: that may depend on what else is in memory.
void Simulation::share_out_turns(std::vector<std::size_t> order, TakenIn taken_in,
                                 const SharedWork& work) {
  const std::int64_t wanted = lanes_.busy(std::ssize(order));
  if (options_.lanes_by_memory && !lanes_are_measured_ && wanted > 1) {
    lanes_are_measured_ = true;
    const std::int64_t before = held_memory_bytes();
    lanes_.share_out({order.front()}, taken_in, work);
    order.erase(order.begin());
    const LaneMemory memory{.client_bytes = std::max<std::int64_t>(0, held_memory_bytes() - before),
                            .model_bytes = lane_bytes(state_.model, options_.local),
                            .available_bytes = available_memory_bytes(),
                            .limit_bytes = machine_memory_bytes(),
                            .held_bytes = held_memory_bytes(),
                            .neighbours = comm_.local_size()};
    const std::int64_t fitting = lanes_with_memory(lanes_.count(), memory);
    if (fitting < lanes_.count()) {
      log::warn_once(concat("a client takes ",
                            human_bytes(static_cast<double>(memory.client_bytes)),
                            " of memory, so that this rank trains ", fitting, " at a time, not ",
                            lanes_.count(), ". Set --device.lanes to have another number."));
    }
    lanes_.limit(fitting);
  }
  lanes_.share_out(order, taken_in, work);
}

// Errors of libraries do not know whose they are: they get the client's name here.
template <class Part>
void Simulation::named(const ClientTurn& turn, const Part& part) {
  try {
    part();
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {
    throw RankFailure(
        concat("client ", turn.data.site, " in round ", state_.round, ": ", message_of(error)));
  }
}

// By several lanes at the same time: of what is not the lane's or the client's it only reads.
void Simulation::train_client(const Lane& lane, ClientTurn& turn) {
  fault_point("train", comm_.rank().value(), state_.round.value());
  const Stopwatch watch;
  turn.state = lane.model.state().state();
  turn.state.copy_(state_.global);
  if (fingerprints_) hash_kept(turn);
  const bool own_layers = personalize_layers(lane.model, *turn.kept);
  turn.report = lane.trainer.train(turn.data, {state_.round, turn.id, options_.seed}, *turn.kept,
                                   state_.server, own_layers ? torch::Tensor() : state_.global);
  exchange_.keep_local(lane.model.state(), *turn.kept);
  if (fingerprints_) hash_work(turn, lane.model.state().slots());
  turn.score = {turn.id, Split::train, {{"loss", turn.report.loss}}, 0.0};
  if (options_.local.measure) {
    turn.score.values["drift"] = turn.report.drift;
    turn.score.values["gradient_norm"] = turn.report.gradient_norm;
  }
  turn.score.seconds = watch.elapsed_s();
}

void Simulation::hash_kept(ClientTurn& turn) const {
  const Stopwatch watch;
  turn.fingerprints.kept_before = fingerprints(*turn.kept);
  turn.fingerprint_s += watch.elapsed_s();
}

void Simulation::hash_work(ClientTurn& turn, const std::vector<Slot>& slots) const {
  const Stopwatch watch;
  ClientFingerprints& found = turn.fingerprints;
  found.batches = turn.report.batches;
  found.model = fingerprints(turn.state, slots);
  if (turn.report.extra.numel() > 0) found.extra = fingerprint(turn.report.extra);
  found.kept = fingerprints(*turn.kept);
  turn.fingerprint_s += watch.elapsed_s() + turn.report.fingerprint_s;
}

// By one lane at a time, as what follows.
void Simulation::take_in(ClientTurn& turn) {
  if (observe_update_ && is_own(turn.id)) observe_update_(turn.id, turn.report.update);
  if (is_own(turn.id)) client_steps_ += turn.report.gradients;
  count_update(turn);
  if (fingerprints_ && is_own(turn.id)) take_fingerprints(turn);
  hosting_.close_state(turn.id);
  turn.state = torch::Tensor();
  turn.message = torch::Tensor();
  turn.report = {};
}

// What a client kept is forgotten where its update was left out.
void Simulation::take_fingerprints(ClientTurn& turn) {
  if (counts(turn.id)) turn.fingerprints.weight = updates_.weight(turn.id);
  if (turn.kept->empty()) turn.fingerprints.kept.clear();
  fingerprints_->add(turn.id, std::move(turn.fingerprints));
}

bool Simulation::counts(ClientId id) const {
  return is_own(id) && std::ranges::binary_search(plan_.counted, id);
}

torch::Tensor Simulation::message_of_turn(const ClientTurn& turn) {
  return turn.message.defined() ? turn.message : exchange_.pack(turn.state, turn.report.extra);
}

void Simulation::set_aside(ClientTurn& turn) {
  if (counts(turn.id)) turn.message = message_of_turn(turn).clone();
}

// Adds the message to the average, if it is to count and can.
void Simulation::count_update(const ClientTurn& turn) {
  if (!counts(turn.id)) return;
  const std::string& site = federation_.members[turn.id.position()].site;
  if (updates_.add(turn.id, message_of_turn(turn), site)) return;
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
  turn.kept->drop("");
  updates_.leave_out(turn.id);
}

// The statistics of w_{t+1} over all training images, averaged with p_i.
void Simulation::recompute_statistics_of_clients() {
  const auto timed = state_.times.measure("recompute");
  const std::int64_t parameters = state_.model.parameter_count();
  const std::int64_t buffers = state_.model.network_count() - parameters;
  const auto statistics_of = [&](Model& model) {
    return model.state().state().narrow(0, parameters, buffers);
  };
  updates_.begin({0, buffers, 0}, state_.model.device(), everyone(federation_));
  std::vector<ClientTurn> turns;
  std::vector<double> sizes;
  for (const auto& [id, client] : hosting_.own()) {
    turns.push_back({id, client});
    sizes.push_back(static_cast<double>(client.split(Split::train).count()));
  }
  const auto begin = [&](std::size_t i) {
    report_work(concat("recomputing statistics of ", turns[i].data.site),
                lanes_.silence(std::ssize(turns)));
  };
  const auto work = [&](std::int64_t lane, std::size_t i) {
    Model& model = lanes_.at(lane).model;
    model.state().state().copy_(state_.global);
    recompute_statistics(model, turns[i].data.split(Split::train), options_.local.batches);
    turns[i].message = statistics_of(model);
  };
  const auto end = [&](std::size_t i) {
    if (updates_.add(turns[i].id, turns[i].message, turns[i].data.site)) return;
    throw RankFailure(concat("client ", turns[i].data.site,
                             ": the recomputed running statistics of the ",
                             "global model hold NaN or infinite values. Lower --train.lr."));
  };
  const TakenIn order = taken_in(std::ssize(turns));
  lanes_.share_out(order_of(sizes, order), order,
                   {.begin = begin, .work = work, .end = end, .set_aside = [&](std::size_t i) {
                      turns[i].message = turns[i].message.clone();
                    }});
  report_work("waiting for the other ranks to recompute statistics", Work::waiting);
  statistics_of(state_.model).copy_(updates_.average());
  state_.sent_bytes += buffers * bytes_of(options_.reduction);
  state_.global.copy_(state_.model.state().state());
}

}  // namespace harmofl
