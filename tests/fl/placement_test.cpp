// Which rank trains whom.
#include "harmofl/base/rng.hpp"
#include "harmofl/fl/federation.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <limits>
#include <set>

namespace harmofl {
namespace {

using Costs = std::vector<std::int64_t>;

/// The load of the busiest rank.
std::int64_t longest(const Costs& costs, const std::vector<Rank>& owner, std::int64_t ranks) {
  Costs load(static_cast<std::size_t>(ranks), 0);
  for (std::size_t i = 0; i < costs.size(); ++i) load[owner[i].position()] += costs[i];
  return std::ranges::max(load);
}

/// The least possible load of the busiest rank: tries every placement.
std::int64_t optimum(const Costs& costs, std::int64_t ranks) {
  std::int64_t placements = 1;
  for (std::size_t i = 0; i < costs.size(); ++i) placements *= ranks;
  std::int64_t best = std::numeric_limits<std::int64_t>::max();
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
  for (std::int64_t& cost : costs) cost = 1 + rng.below(100);
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
    EXPECT_LE(static_cast<double>(longest(costs, place(costs, ranks), ranks)),
              bound * static_cast<double>(optimum(costs, ranks)) + 1e-9)
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

}  // namespace
}  // namespace harmofl
