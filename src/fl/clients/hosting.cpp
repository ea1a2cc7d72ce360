// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/hosting.hpp"

#include "data/batches/residence.hpp"

#include <algorithm>
#include <utility>

namespace harmofl {
namespace {

/// Most memory, in bytes, for the samples of clients that moved to another rank.
constexpr std::int64_t max_left_bytes = std::int64_t{64} << 20;

}  // namespace

Hosting::Hosting(const Communicator& comm, const Federation& federation, ClientLoader load,
                 std::vector<double> work, PlacementCosts costs, StateOptions state,
                 torch::Device device)
    : comm_(comm),
      federation_(federation),
      load_(std::move(load)),
      kind_(costs),
      costs_(std::move(work)),
      device_(device),
      placement_(place(costs_.estimates(), comm.size())),
      states_(std::move(state), device) {
  comm_.agree([&] { states_.open_scratch(); });
  load_missing();
}

std::int64_t Hosting::rebalance(const std::vector<ClientId>& cohort) {
  if (comm_.size() == 1 || cohort.empty()) return 0;
  std::vector<Rank> placement;
  const bool everyone_knows = kind_ == PlacementCosts::samples;
  if (everyone_knows || comm_.is_root()) {
    placement = harmofl::rebalance(placement_, cohort, costs_.estimates(), comm_.size());
  }
  if (!everyone_knows) comm_.broadcast(placement);
  return adopt(placement);
}

std::int64_t Hosting::adopt(const std::vector<Rank>& placement) {
  std::int64_t moved = 0;
  for (ClientId id{0}; id.value() < federation_.size(); ++id) {
    if (placement[id.position()] == placement_[id.position()]) continue;
    move(id, placement[id.position()]);
    ++moved;
  }
  if (moved > 0) load_missing();
  return moved;
}

std::vector<NamedTensor> Hosting::state_at_root(
    ClientId client, const std::function<bool(const std::string&)>& wanted) {
  const Rank root{0}, owner = placement_[client.position()];
  std::vector<NamedTensor> tensors;
  std::string bytes;
  if (owner == comm_.rank()) {
    with_state(client, [&](const NamedState& state) {
      const NamedState chosen = state.subset(wanted);
      if (owner == root) tensors = chosen.export_tensors();
      if (owner != root) bytes = chosen.serialize();
    });
  }
  if (owner == root) return tensors;
  bytes = comm_.transfer(owner, root, std::move(bytes));
  return comm_.is_root() ? NamedState::parse(bytes) : tensors;
}

const ClientData& Hosting::lend(ClientId client) {
  const Rank root{0}, owner = placement_[client.position()];
  const bool mine = owner == comm_.rank();
  std::string bytes;
  if (mine) with_state(client, [&](const NamedState& state) { bytes = state.serialize(); });
  bytes = comm_.transfer(owner, root, std::move(bytes));
  comm_.broadcast(bytes);
  if (!mine) {
    NamedState copy;
    copy.import_tensors(NamedState::parse(bytes), device_);
    states_.put(client, std::move(copy));
  }
  comm_.agree([&] {
    if (mine || lent_.contains(client)) return;
    lent_.emplace(client, load_(federation_.members[client.position()]));
  });
  return mine ? own_.at(client) : lent_.at(client);
}

void Hosting::take_back(ClientId client) {
  if (placement_[client.position()] != comm_.rank()) states_.extract(client);
}

// Moves happen in the order of clients on all ranks, so that sender and receiver always meet.
void Hosting::move(ClientId client, Rank to) {
  const Rank from = std::exchange(placement_[client.position()], to);
  const bool mine = from == comm_.rank();
  if (!mine && to != comm_.rank()) return;
  const std::string bytes =
      comm_.transfer(from, to, mine ? states_.extract(client).serialize() : std::string());
  if (mine) leave(client);
  if (to != comm_.rank()) return;
  NamedState state;
  state.import_tensors(NamedState::parse(bytes), device_);
  states_.put(client, std::move(state));
}

// Samples of small clients are kept, which to read again would take longer than a step.
void Hosting::leave(ClientId client) {
  auto samples = own_.extract(client);
  const std::int64_t bytes = sample_bytes(samples.mapped());
  if (left_bytes_ + bytes > max_left_bytes) return;
  left_bytes_ += bytes;
  left_.insert(std::move(samples));
}

ClientData Hosting::samples_of(ClientId client) {
  auto kept = left_.extract(client);
  if (kept.empty()) return load_(federation_.members[client.position()]);
  left_bytes_ -= sample_bytes(kept.mapped());
  return std::move(kept.mapped());
}

void Hosting::load_missing() {
  comm_.agree([&] {
    for (ClientId id{0}; id.value() < federation_.size(); ++id) {
      if (placement_[id.position()] != comm_.rank() || own_.contains(id)) continue;
      own_.emplace(id, samples_of(id));
    }
  });
}

}  // namespace harmofl
