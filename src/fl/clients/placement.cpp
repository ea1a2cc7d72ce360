// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/placement.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <tuple>
#include <utility>

namespace harmofl {
namespace {

constexpr double slack = 1.05;        ///< Tolerated load, in loads that longest first reaches.
constexpr double newest_share = 0.5;  ///< Weight of a new measurement in the estimate.

std::vector<double> loads(const std::vector<Rank>& owner, const std::vector<double>& costs,
                          std::int64_t ranks) {
  std::vector<double> load(static_cast<std::size_t>(ranks), 0.0);
  for (std::size_t i = 0; i < owner.size(); ++i) load[owner[i].position()] += costs[i];
  return load;
}

/// The client of rank `busiest` whose move to another, `gap` less loaded, evens the two out best;
/// the number of clients when no move helps.
std::size_t best_move(const std::vector<Rank>& owner, const std::vector<double>& costs,
                      std::size_t busiest, double gap) {
  std::size_t best = owner.size();
  double least = gap;  // what would be left between the two
  for (std::size_t i = 0; i < owner.size(); ++i) {
    if (owner[i].position() != busiest || costs[i] <= 0.0) continue;
    const double left = std::abs(gap - 2.0 * costs[i]);
    if (left < least) {
      least = left;
      best = i;
    }
  }
  return best;
}

}  // namespace

std::vector<Rank> place(const std::vector<double>& costs, std::int64_t ranks) {
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return costs[i]; });
  // Least load, then fewest clients, then lowest rank: the top of a heap.
  using Load = std::tuple<double, std::int64_t, std::int64_t>;
  std::vector<Load> heap;
  for (std::int64_t rank = 0; rank < ranks; ++rank) heap.emplace_back(0.0, 0, rank);
  std::vector<Rank> owner(costs.size());
  for (const std::size_t client : order) {
    std::ranges::pop_heap(heap, std::greater{});
    auto& [load, clients, rank] = heap.back();
    owner[client] = Rank(rank);
    load += costs[client];
    ++clients;
    std::ranges::push_heap(heap, std::greater{});
  }
  return owner;
}

std::vector<Rank> rebalance(std::vector<Rank> owner, const std::vector<ClientId>& cohort,
                            const std::vector<double>& costs, std::int64_t ranks) {
  std::vector<Rank> own;
  std::vector<double> cost;
  for (const ClientId client : cohort) {
    own.push_back(owner[client.position()]);
    cost.push_back(costs[client.position()]);
  }
  const std::vector<Rank> fresh = place(cost, ranks);
  const double target = slack * std::ranges::max(loads(fresh, cost, ranks));
  std::vector<double> load = loads(own, cost, ranks);
  while (true) {
    const auto busiest = static_cast<std::size_t>(std::ranges::max_element(load) - load.begin());
    const auto idlest = static_cast<std::size_t>(std::ranges::min_element(load) - load.begin());
    if (load[busiest] <= target) break;
    const std::size_t client = best_move(own, cost, busiest, load[busiest] - load[idlest]);
    if (client == own.size()) {
      own = fresh;  // single moves lead no further
      break;
    }
    own[client] = Rank(static_cast<std::int64_t>(idlest));
    load[busiest] -= cost[client];
    load[idlest] += cost[client];
  }
  for (std::size_t i = 0; i < cohort.size(); ++i) owner[cohort[i].position()] = own[i];
  return owner;
}

ClientCosts::ClientCosts(std::vector<double> work)
    : work_(std::move(work)), seconds_(work_.size(), -1.0) {}

void ClientCosts::observe(ClientId client, double seconds) {
  double& known = seconds_[client.position()];
  known = known < 0.0 ? seconds : known + newest_share * (seconds - known);
}

std::vector<double> ClientCosts::estimates() const {
  double seconds = 0.0;
  double work = 0.0;
  for (std::size_t i = 0; i < work_.size(); ++i) {
    if (seconds_[i] < 0.0) continue;
    seconds += seconds_[i];
    work += work_[i];
  }
  const double rate = work > 0.0 && seconds > 0.0 ? seconds / work : 1.0;
  std::vector<double> costs;
  for (std::size_t i = 0; i < work_.size(); ++i) {
    costs.push_back(seconds_[i] < 0.0 ? work_[i] * rate : seconds_[i]);
  }
  return costs;
}

}  // namespace harmofl
