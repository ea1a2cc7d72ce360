// SPDX-License-Identifier: Apache-2.0
// Which rank trains whom.
#include "fl/clients/placement.hpp"

#include "harmofl/base/rng.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <set>

namespace harmofl {
namespace {

using Costs = std::vector<double>;

/// The load of the busiest rank.
double longest(const Costs& costs, const std::vector<Rank>& owner, std::int64_t ranks) {
  Costs load(static_cast<std::size_t>(ranks), 0);
  for (std::size_t i = 0; i < costs.size(); ++i) load[owner[i].position()] += costs[i];
  return std::ranges::max(load);
}

/// The least possible load of the busiest rank: tries every placement.
double optimum(const Costs& costs, std::int64_t ranks) {
  std::int64_t placements = 1;
  for (std::size_t i = 0; i < costs.size(); ++i) placements *= ranks;
  double best = std::numeric_limits<double>::max();
  for (std::int64_t code = 0; code < placements; ++code) {
    std::vector<Rank> owner;
    for (std::int64_t rest = code; owner.size() < costs.size(); rest /= ranks) {
      owner.emplace_back(rest % ranks);
    }
    best = std::min(best, longest(costs, owner, ranks));
  }
  return best;
}

Costs random_costs(RngStream& rng, std::size_t count) {
  Costs costs(count);
  for (double& cost : costs) cost = 1 + rng.below(100);
  return costs;
}

RngStream stream() { return {1, RoundId{0}, ClientId{0}, RngPurpose::selection}; }

TEST(Placement, gives_every_client_one_of_the_ranks) {
  RngStream rng = stream();
  for (const std::int64_t ranks : {1, 2, 3, 7, 20}) {
    const std::vector<Rank> owner = place(random_costs(rng, 9), ranks);
    ASSERT_EQ(owner.size(), 9U);
    for (const Rank rank : owner) {
      EXPECT_GE(rank.value(), 0);
      EXPECT_LT(rank.value(), ranks);
    }
  }
}

TEST(Placement, is_at_most_a_third_longer_than_the_best_one) {
  RngStream rng = stream();
  for (int trial = 0; trial < 40; ++trial) {
    const std::int64_t ranks = 2 + trial % 2;
    const Costs costs = random_costs(rng, 3 + static_cast<std::size_t>(trial % 5));
    // Graham's bound of longest first: 4/3 - 1/(3 ranks).
    const double bound = 4.0 / 3.0 - 1.0 / (3.0 * static_cast<double>(ranks));
    EXPECT_LE(longest(costs, place(costs, ranks), ranks), bound * optimum(costs, ranks) + 1e-9)
        << testing::PrintToString(costs);
  }
}

TEST(Placement, places_the_longest_first) {
  EXPECT_EQ(place({1, 1, 1, 3}, 2), (std::vector<Rank>{Rank{1}, Rank{1}, Rank{1}, Rank{0}}));
}

TEST(Placement, is_the_same_every_time) {
  RngStream rng = stream();
  const Costs costs = random_costs(rng, 30);
  EXPECT_EQ(place(costs, 4), place(costs, 4));
  EXPECT_EQ(place({5, 5, 5, 5}, 2), (std::vector<Rank>{Rank{0}, Rank{1}, Rank{0}, Rank{1}}));
}

TEST(Placement, gives_each_client_a_rank_of_its_own_when_there_are_enough) {
  for (const Costs& costs : {Costs{3, 2, 1}, Costs{1, 1, 1}, Costs{0, 5, 0}, Costs{0, 0, 0}}) {
    for (const std::int64_t ranks : {3, 5}) {
      const std::vector<Rank> owner = place(costs, ranks);
      EXPECT_EQ(std::set(owner.begin(), owner.end()).size(), 3U) << testing::PrintToString(costs);
    }
  }
}

TEST(Placement, of_nobody_is_empty) { EXPECT_TRUE(place({}, 2).empty()); }

std::vector<ClientId> everyone(std::size_t count) {
  std::vector<ClientId> ids;
  for (std::size_t i = 0; i < count; ++i) ids.emplace_back(static_cast<std::int64_t>(i));
  return ids;
}

std::int64_t moves(const std::vector<Rank>& before, const std::vector<Rank>& after) {
  std::int64_t count = 0;
  for (std::size_t i = 0; i < before.size(); ++i) count += before[i] == after[i] ? 0 : 1;
  return count;
}

TEST(Rebalance, moves_nobody_while_the_load_is_even_enough) {
  RngStream rng = stream();
  for (int trial = 0; trial < 20; ++trial) {
    const Costs costs = random_costs(rng, 30);
    const std::vector<Rank> owner = place(costs, 3);
    EXPECT_EQ(rebalance(owner, everyone(30), costs, 3), owner);
  }
}

TEST(Rebalance, evens_out_a_cohort_within_five_percent_of_longest_first) {
  RngStream rng = stream();
  for (int trial = 0; trial < 40; ++trial) {
    const std::int64_t ranks = 2 + trial % 5;
    const Costs costs = random_costs(rng, 60);
    const std::vector<Rank> owner = place(costs, ranks);
    std::vector<ClientId> cohort;
    Costs cohort_costs;
    for (const ClientId id : everyone(60)) {
      if (rng.below(3) != 0) continue;
      cohort.push_back(id);
      cohort_costs.push_back(costs[id.position()]);
    }
    const std::vector<Rank> after = rebalance(owner, cohort, costs, ranks);
    std::vector<Rank> of_cohort;
    for (const ClientId id : cohort) of_cohort.push_back(after[id.position()]);
    EXPECT_LE(longest(cohort_costs, of_cohort, ranks),
              1.05 * longest(cohort_costs, place(cohort_costs, ranks), ranks) + 1e-9);
    EXPECT_LE(moves(owner, after), std::ssize(cohort));
  }
}

TEST(Rebalance, moves_one_client_when_one_is_enough) {
  const Costs costs{5, 5, 5, 5};
  const std::vector<Rank> owner{Rank{0}, Rank{0}, Rank{0}, Rank{1}};
  EXPECT_EQ(moves(owner, rebalance(owner, everyone(4), costs, 2)), 1);
}

TEST(Rebalance, leaves_those_who_do_not_train_where_they_are) {
  const Costs costs{5, 5, 5, 5};
  const std::vector<Rank> owner{Rank{0}, Rank{0}, Rank{0}, Rank{0}};
  const std::vector<Rank> after = rebalance(owner, {ClientId{1}, ClientId{2}}, costs, 2);
  EXPECT_EQ(after[0], Rank{0});
  EXPECT_EQ(after[3], Rank{0});
  EXPECT_NE(after[1], after[2]);
}

TEST(Rebalance, follows_costs_that_drift) {
  // Equal at first; then client 0 takes as long as all others together.
  ClientCosts costs({4, 4, 4, 4});
  const std::vector<Rank> owner = place(costs.estimates(), 2);
  for (int round = 0; round < 5; ++round) {
    for (const ClientId id : everyone(4)) costs.observe(id, id == ClientId{0} ? 3.0 : 1.0);
  }
  const std::vector<Rank> after = rebalance(owner, everyone(4), costs.estimates(), 2);
  EXPECT_DOUBLE_EQ(longest(costs.estimates(), after, 2), 3.0);
}

TEST(ClientCosts, are_samples_until_something_was_measured) {
  EXPECT_EQ(ClientCosts({3, 1}).estimates(), (Costs{3, 1}));
}

TEST(ClientCosts, estimate_those_not_seen_by_the_speed_of_the_others) {
  ClientCosts costs({10, 20, 30});
  costs.observe(ClientId{0}, 2.0);
  costs.observe(ClientId{1}, 4.0);
  EXPECT_EQ(costs.estimates(), (Costs{2, 4, 6}));
}

TEST(ClientCosts, forget_half_of_what_was_at_every_round) {
  ClientCosts costs({1});
  costs.observe(ClientId{0}, 4.0);
  costs.observe(ClientId{0}, 2.0);
  EXPECT_DOUBLE_EQ(costs.estimates()[0], 3.0);
}

}  // namespace
}  // namespace harmofl
