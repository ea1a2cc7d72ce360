// SPDX-License-Identifier: Apache-2.0
// Who is invited to a round.
#include "fl/fleet/cohort.hpp"

#include "support/binomial.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace harmofl {
namespace {

using SampleCounts = std::vector<std::int64_t>;
using testing::HasSubstr;

std::vector<ClientId> clients(const std::vector<std::int64_t>& ids) {
  std::vector<ClientId> list;
  for (const std::int64_t id : ids) list.emplace_back(id);
  return list;
}

std::vector<ClientId> all(std::int64_t count) {
  std::vector<ClientId> list;
  for (ClientId id{0}; id.value() < count; ++id) list.push_back(id);
  return list;
}

/// The cohort of `round` where everyone is there.
std::vector<ClientId> cohort(const CohortOptions& options, const SampleCounts& samples,
                             std::int64_t round, std::uint64_t seed = 1) {
  return sample_cohort(options, samples, all(static_cast<std::int64_t>(samples.size())), seed,
                       RoundId{round});
}

/// How often each group of clients is the cohort in `rounds` rounds.
std::map<std::vector<ClientId>, int> counts(const CohortOptions& options,
                                            const SampleCounts& samples, int rounds) {
  std::map<std::vector<ClientId>, int> seen;
  for (int round = 0; round < rounds; ++round) ++seen[cohort(options, samples, round)];
  return seen;
}

TEST(Cohort, of_size_zero_or_of_all_is_everyone_there) {
  const std::vector<ClientId> there = clients({0, 2, 3});
  EXPECT_EQ(sample_cohort({}, SampleCounts(5, 1), there, 1, RoundId{3}), there);
  EXPECT_EQ(sample_cohort({.size = 5}, SampleCounts(5, 1), there, 1, RoundId{3}), there);
  EXPECT_EQ(sample_cohort({.size = 4}, SampleCounts(5, 1), there, 1, RoundId{3}), there);
  EXPECT_TRUE(sample_cohort({.size = 4}, SampleCounts(5, 1), {}, 1, RoundId{3}).empty());
}

TEST(Cohort, holds_as_many_distinct_clients_as_are_wanted_in_ascending_order) {
  for (const Sampling sampling : {Sampling::uniform, Sampling::weighted, Sampling::fixed}) {
    for (int round = 0; round < 20; ++round) {
      const auto drawn = cohort({.size = 7, .sampling = sampling}, SampleCounts(30, 4), round);
      EXPECT_EQ(drawn.size(), 7U);
      EXPECT_TRUE(std::ranges::is_sorted(drawn));
      EXPECT_EQ(std::set(drawn.begin(), drawn.end()).size(), drawn.size());
      EXPECT_LT(drawn.back().value(), 30);
    }
  }
}

TEST(Cohort, depends_on_seed_and_round_and_on_nothing_before) {
  const CohortOptions options{.size = 10};
  const SampleCounts samples(100, 1);
  const auto alone = cohort(options, samples, 5);
  for (int round = 0; round < 5; ++round) EXPECT_NE(cohort(options, samples, round), alone);
  EXPECT_EQ(cohort(options, samples, 5), alone);
  EXPECT_NE(cohort(options, samples, 5, 2), alone);
}

TEST(Cohort, does_not_change_when_someone_uninvited_is_not_there) {
  for (const Sampling sampling : {Sampling::uniform, Sampling::weighted}) {
    const CohortOptions options{.size = 4, .sampling = sampling};
    const SampleCounts samples{5, 1, 8, 3, 2, 9, 4, 4, 7, 6};
    const auto drawn = cohort(options, samples, 2);
    std::vector<ClientId> there = all(10);
    std::erase_if(there, [&](ClientId id) {
      return id.value() % 2 == 0 && !std::ranges::binary_search(drawn, id);
    });
    ASSERT_LT(there.size(), 10U);
    EXPECT_EQ(sample_cohort(options, samples, there, 1, RoundId{2}), drawn);
  }
}

TEST(Cohort, invites_everyone_alike_when_uniform) {
  constexpr int rounds = 6000;
  const auto seen = counts({.size = 2}, SampleCounts{1, 50, 3, 9, 2}, rounds);
  EXPECT_EQ(seen.size(), 10U);  // all pairs of five
  for (const auto& [pair, times] : seen)
    EXPECT_NEAR(times, rounds * 0.1, test::binomial_bound(rounds, 0.1));
}

TEST(Cohort, invites_in_proportion_to_samples_when_weighted) {
  constexpr int rounds = 8000;
  const SampleCounts samples{1, 2, 0, 3, 4};
  auto seen = counts({.size = 1, .sampling = Sampling::weighted}, samples, rounds);
  for (std::int64_t id = 0; id < 5; ++id) {
    const double p = static_cast<double>(samples[static_cast<std::size_t>(id)]) / 10.0;
    EXPECT_NEAR(seen[clients({id})], rounds * p, test::binomial_bound(rounds, p))
        << "client " << id;
  }
}

TEST(Cohort, draws_the_next_in_proportion_among_those_left_when_weighted) {
  constexpr int rounds = 8000;
  const std::vector<double> p{0.1, 0.3, 0.6};
  auto seen = counts({.size = 2, .sampling = Sampling::weighted}, SampleCounts{1, 3, 6}, rounds);
  for (const auto& [i, j] : {std::pair(0, 1), std::pair(0, 2), std::pair(1, 2)}) {
    const double either = p[i] * p[j] / (1.0 - p[i]) + p[j] * p[i] / (1.0 - p[j]);
    EXPECT_NEAR(seen[clients({i, j})], rounds * either, test::binomial_bound(rounds, either))
        << i << " " << j;
  }
}

TEST(Cohort, tells_huge_numbers_of_samples_apart_when_weighted) {
  constexpr int rounds = 4000;
  const std::int64_t huge = 1'000'000'000'000'000'000;
  auto seen =
      counts({.size = 1, .sampling = Sampling::weighted}, SampleCounts{huge, 3 * huge}, rounds);
  EXPECT_NEAR(seen[clients({0})], rounds * 0.25, test::binomial_bound(rounds, 0.25));
}

TEST(Cohort, takes_clients_without_samples_last_when_weighted) {
  for (int round = 0; round < 50; ++round) {
    EXPECT_EQ(
        cohort({.size = 3, .sampling = Sampling::weighted}, SampleCounts{0, 1, 0, 900, 7}, round),
        clients({1, 3, 4}));
  }
}

TEST(Cohort, stays_that_of_round_zero_when_fixed) {
  const SampleCounts samples(40, 1);
  const auto first = cohort({.size = 6}, samples, 0);
  for (int round = 0; round < 5; ++round) {
    EXPECT_EQ(cohort({.size = 6, .sampling = Sampling::fixed}, samples, round), first);
  }
}

TEST(Cohort, replaces_nobody_who_is_not_there_when_fixed) {
  const CohortOptions options{.size = 6, .sampling = Sampling::fixed};
  const SampleCounts samples(40, 1);
  std::vector<ClientId> members = cohort(options, samples, 0);
  std::vector<ClientId> there = all(40);
  std::erase(there, members[2]);
  members.erase(members.begin() + 2);
  EXPECT_EQ(sample_cohort(options, samples, there, 1, RoundId{9}), members);
}

TEST(Cohort, invites_more_than_wanted_when_over_sampling) {
  const auto invited = [](std::int64_t size, double factor, std::int64_t count) {
    const CohortOptions options{.size = size, .over_sampling = factor};
    const auto drawn = cohort(options, SampleCounts(static_cast<std::size_t>(count), 1), 0);
    EXPECT_EQ(static_cast<std::int64_t>(drawn.size()), invited_count(options, count));
    return drawn.size();
  };
  EXPECT_EQ(invited(10, 1.0, 100), 10U);
  EXPECT_EQ(invited(10, 1.1, 100), 11U);
  EXPECT_EQ(invited(50, 1.1, 100), 55U);  // 50 x 1.1 is above 55 in binary
  EXPECT_EQ(invited(10, 1.11, 100), 12U);
  EXPECT_EQ(invited(3, 1.5, 100), 5U);
  EXPECT_EQ(invited(3, 1.5, 4), 4U);
  EXPECT_EQ(invited(0, 1.5, 4), 4U);
  EXPECT_EQ(invited(1, 1e300, 4), 4U);
  EXPECT_EQ(wanted_count({.size = 3, .over_sampling = 1.5}, 100), 3);
  EXPECT_EQ(wanted_count({.size = 0}, 100), 100);
}

TEST(CohortOptions, that_do_not_suit_the_clients_are_refused_by_name) {
  check({.size = 5}, 5);
  check({}, 5);
  EXPECT_THAT(test::user_error_of([] { check({.size = 6}, 5); }),
              HasSubstr("cohort.size = 6, but the run has 5 clients"));
  EXPECT_THAT(test::user_error_of([] { check({.size = -1}, 5); }), HasSubstr("cohort.size = -1"));
  for (const double factor : {0.5, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(test::user_error_of([&] { check({.over_sampling = factor}, 5); }),
                HasSubstr("cohort.over_sampling = "));
  }
}

}  // namespace
}  // namespace harmofl
