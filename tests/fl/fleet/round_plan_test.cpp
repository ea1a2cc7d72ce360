// SPDX-License-Identifier: Apache-2.0
// What becomes of everyone in a round, and how long it takes, by hand-computed times.
#include "fl/fleet/round_plan.hpp"

#include "harmofl/base/text.hpp"
#include "support/binomial.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

ClientId id(std::int64_t client) { return ClientId{client}; }

std::vector<std::string> names(std::int64_t count) {
  std::vector<std::string> list;
  for (std::int64_t i = 0; i < count; ++i) list.push_back(concat(i));
  return list;
}

/// A fleet of one client for each speed; at speed 1 its report takes 1 s.
struct Devices {
  std::vector<double> speeds;
  FleetOptions options = {};
  CohortOptions cohort = {};
  std::vector<double> availabilities = {};

  RoundPlan plan(std::int64_t round = 0, std::uint64_t seed = 1) const {
    FleetTable table{"table", {}};
    for (std::size_t i = 0; i < speeds.size(); ++i) {
      FleetRow& row = table.rows.emplace_back();
      row.client = concat(i);
      row.values[static_cast<std::size_t>(DeviceProperty::speed)] = speeds[i];
      if (availabilities.empty()) continue;
      row.values[static_cast<std::size_t>(DeviceProperty::availability)] = availabilities[i];
    }
    FleetOptions timed = options;
    if (timed.sample_time_s == FleetOptions{}.sample_time_s) timed.sample_time_s = 0.25;
    const Fleet fleet(timed, names(static_cast<std::int64_t>(speeds.size())), 1, table);
    return plan_round(cohort, fleet, {std::vector<std::int64_t>(speeds.size(), 4), 0, 0}, seed,
                      RoundId{round});
  }
};

std::map<DropReason, int> drops(const RoundPlan& plan) {
  std::map<DropReason, int> counts;
  for (const auto& [client, reason] : plan.lost) ++counts[reason];
  return counts;
}

bool lost(const RoundPlan& plan, ClientId client, DropReason reason) {
  return std::ranges::find(plan.lost, std::pair(client, reason)) != plan.lost.end();
}

/// A plan of three clients without devices.
RoundPlan plain(const CohortOptions& cohort) {
  return plan_round(cohort, Fleet({}, names(3), 1), {{5, 0, 7}, 100, 100}, 1, RoundId{4});
}

TEST(RoundPlan, counts_everyone_in_no_time_when_nothing_is_set) {
  const RoundPlan plan = plain({});
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1), id(2)));
  EXPECT_THAT(plan.wasted, IsEmpty());
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_EQ(plan.simulated_s, 0.0);
}

TEST(RoundPlan, counts_the_cohort_when_there_is_no_fleet) {
  for (const Sampling sampling : {Sampling::uniform, Sampling::weighted, Sampling::fixed}) {
    const CohortOptions cohort{.size = 2, .sampling = sampling};
    const RoundPlan plan = plain(cohort);
    EXPECT_EQ(plan.counted, sample_cohort(cohort, {5, 0, 7}, {id(0), id(1), id(2)}, 1, RoundId{4}));
    EXPECT_THAT(plan.lost, IsEmpty());
  }
}

TEST(RoundPlan, counts_no_more_than_are_wanted_when_there_is_no_fleet) {
  const RoundPlan plan = plain({.size = 1, .over_sampling = 2.0});
  EXPECT_THAT(plan.counted, SizeIs(1));
  EXPECT_THAT(plan.lost, ElementsAre(Pair(testing::_, DropReason::surplus)));
}

TEST(RoundPlan, adds_up_the_time_of_a_client) {
  // 0.5 + 8 Mbit / 8 Mbit/s + 100 x 0.02 s / 0.5 + 0.5 + 16 Mbit / 8 Mbit/s = 0.5 + 1 + 4 + 0.5 + 2
  const DeviceProfile device{0.5, 8.0, 0.5, 1.0};
  const RoundWork work{{1, 100}, 1'000'000, 2'000'000};
  const FleetOptions options{.sample_time_s = 0.02};
  EXPECT_DOUBLE_EQ(report_time_s(device, options, work, id(1)), 8.0);
  // Nothing but the latency of two messages.
  EXPECT_DOUBLE_EQ(report_time_s({.latency_s = 0.25}, {}, work, id(1)), 0.5);
}

TEST(RoundPlan, refuses_a_client_that_would_take_for_ever) {
  Devices devices{{1.0, 1e-300}};
  devices.options.sample_time_s = 1e100;
  EXPECT_THAT(test::user_error_of([&] { devices.plan(); }),
              testing::AllOf(testing::HasSubstr("client 1"), testing::HasSubstr("inf simulated"),
                             testing::HasSubstr("Correct its speed")));
}

TEST(RoundPlan, takes_as_long_as_the_slowest_when_all_report) {
  const RoundPlan plan = Devices{{1, 0.5, 0.25}}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1), id(2)));
  EXPECT_EQ(plan.simulated_s, 4.0);
}

TEST(RoundPlan, ends_before_the_deadline_when_all_report_in_time) {
  const RoundPlan plan = Devices{{1, 0.5, 0.25}, {.deadline_s = 5}}.plan();
  EXPECT_THAT(plan.counted, SizeIs(3));
  EXPECT_EQ(plan.simulated_s, 4.0);
}

TEST(RoundPlan, leaves_stragglers_behind_at_the_deadline) {
  const RoundPlan plan = Devices{{1, 0.5, 0.25}, {.deadline_s = 3}}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1)));
  EXPECT_THAT(plan.wasted, IsEmpty());
  EXPECT_THAT(plan.lost, ElementsAre(Pair(id(2), DropReason::straggler)));
  EXPECT_EQ(plan.simulated_s, 3.0);
}

TEST(RoundPlan, counts_a_report_that_comes_in_right_at_the_deadline) {
  const RoundPlan plan = Devices{{1, 0.5, 0.25}, {.deadline_s = 2}}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1)));
  EXPECT_EQ(plan.simulated_s, 2.0);
}

TEST(RoundPlan, counts_nobody_when_all_are_stragglers) {
  const RoundPlan plan = Devices{{1, 0.5}, {.deadline_s = 0.5}}.plan();
  EXPECT_THAT(plan.counted, IsEmpty());
  EXPECT_THAT(drops(plan), ElementsAre(Pair(DropReason::straggler, 2)));
  EXPECT_EQ(plan.simulated_s, 0.5);
}

TEST(RoundPlan, takes_the_first_of_too_many_reports) {
  const CohortOptions two_of_three{.size = 2, .over_sampling = 1.5};
  const RoundPlan plan = Devices{{0.5, 1, 0.25}, {}, two_of_three}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1)));
  EXPECT_THAT(plan.wasted, IsEmpty());
  EXPECT_THAT(plan.lost, ElementsAre(Pair(id(2), DropReason::surplus)));
  EXPECT_EQ(plan.simulated_s, 2.0);
}

TEST(RoundPlan, calls_a_straggler_so_even_when_others_were_enough) {
  const CohortOptions one_of_three{.size = 1, .over_sampling = 3};
  const RoundPlan plan = Devices{{1, 0.5, 0.25}, {.deadline_s = 3}, one_of_three}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0)));
  EXPECT_THAT(plan.lost,
              ElementsAre(Pair(id(1), DropReason::surplus), Pair(id(2), DropReason::straggler)));
  EXPECT_EQ(plan.simulated_s, 1.0);
}

TEST(RoundPlan, counts_clients_of_the_same_time_alike) {
  constexpr int rounds = 2000;
  std::map<ClientId, int> counted;
  const Devices alike{{1, 1, 1, 1}, {}, {.size = 1, .over_sampling = 4}};
  for (int round = 0; round < rounds; ++round) ++counted[alike.plan(round).counted.at(0)];
  for (std::int64_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(counted[id(i)], rounds * 0.25, test::binomial_bound(rounds, 0.25))
        << "client " << i;
  }
}

TEST(RoundPlan, ends_after_the_download_when_all_are_lost_before_training) {
  const FleetOptions options{
      .bandwidth = "choice:8", .latency = "0.5", .sample_time_s = 1, .drop_before = 1};
  const auto plan = [](const FleetOptions& with) {
    return plan_round({}, Fleet(with, names(2), 1), {{9, 9}, 1'000'000, 1'000'000}, 1, RoundId{0});
  };
  const RoundPlan open = plan(options);
  EXPECT_THAT(open.counted, IsEmpty());
  EXPECT_THAT(open.wasted, IsEmpty());
  EXPECT_THAT(drops(open), ElementsAre(Pair(DropReason::dropped_before, 2)));
  EXPECT_DOUBLE_EQ(open.simulated_s, 1.5);
  FleetOptions closed = options;
  closed.deadline_s = 100;
  EXPECT_EQ(plan(closed).simulated_s, 100.0);
}

TEST(RoundPlan, lets_clients_train_that_are_lost_afterwards) {
  const RoundPlan plan = Devices{{1, 0.5}, {.drop_after = 1}}.plan();
  EXPECT_THAT(plan.counted, IsEmpty());
  EXPECT_THAT(plan.wasted, ElementsAre(id(0), id(1)));
  EXPECT_THAT(drops(plan), ElementsAre(Pair(DropReason::dropped_after, 2)));
  EXPECT_EQ(plan.simulated_s, 2.0);
}

TEST(RoundPlan, waits_for_the_deadline_when_an_update_was_lost) {
  const Devices devices{{1, 0.5, 0.25}, {.deadline_s = 7, .drop_after = 0.5}};
  int seen = 0;
  for (int round = 0; round < 50; ++round) {
    const RoundPlan plan = devices.plan(round);
    EXPECT_EQ(plan.simulated_s, plan.wasted.empty() ? 4.0 : 7.0);
    seen += plan.wasted.empty() ? 0 : 1;
  }
  EXPECT_GT(seen, 0);
  EXPECT_LT(seen, 50);
}

TEST(RoundPlan, aborts_who_would_be_lost_after_the_others_were_enough) {
  // Client 2 takes 4 s; with two reports by then it is told to stop, whatever would become of it.
  const Devices devices{{1, 0.5, 0.25}, {.drop_after = 0.5}, {.size = 1, .over_sampling = 3}};
  std::map<DropReason, int> of_slowest;
  for (int round = 0; round < 200; ++round) {
    const RoundPlan plan = devices.plan(round);
    const bool quick = lost(plan, id(0), DropReason::dropped_after);
    const bool middle = lost(plan, id(1), DropReason::dropped_after);
    EXPECT_LE(plan.counted.size(), 1U);
    for (const auto& [client, reason] : plan.lost) {
      if (client == id(2)) ++of_slowest[reason];
    }
    if (!quick) {
      EXPECT_THAT(plan.counted, ElementsAre(id(0)));
      EXPECT_THAT(plan.wasted, IsEmpty());
      EXPECT_EQ(plan.simulated_s, 1.0);
    } else if (!middle) {
      EXPECT_THAT(plan.counted, ElementsAre(id(1)));
      EXPECT_THAT(plan.wasted, ElementsAre(id(0)));
      EXPECT_EQ(plan.simulated_s, 2.0);
    } else {
      EXPECT_EQ(plan.simulated_s, 4.0);  // its report came in, or was missed
    }
  }
  EXPECT_NEAR(of_slowest[DropReason::surplus], 150, test::binomial_bound(200, 0.75));
  EXPECT_NEAR(of_slowest[DropReason::dropped_after], 25, test::binomial_bound(200, 0.125));
}

TEST(RoundPlan, loses_clients_with_the_probabilities_that_are_set) {
  constexpr int rounds = 4000;
  std::map<DropReason, int> counts;
  const Devices devices{{1}, {.drop_before = 0.2, .drop_after = 0.1}, {}, {0.75}};
  for (int round = 0; round < rounds; ++round) {
    for (const auto& [client, reason] : devices.plan(round).lost) ++counts[reason];
  }
  const double before = 0.75 * 0.2, after = 0.75 * 0.8 * 0.1;
  EXPECT_NEAR(counts[DropReason::unavailable], rounds * 0.25, test::binomial_bound(rounds, 0.25));
  EXPECT_NEAR(counts[DropReason::dropped_before], rounds * before,
              test::binomial_bound(rounds, before));
  EXPECT_NEAR(counts[DropReason::dropped_after], rounds * after,
              test::binomial_bound(rounds, after));
}

TEST(RoundPlan, keeps_the_victims_of_one_cause_when_another_is_set) {
  const std::vector<double> alike(30, 1.0);
  const RoundPlan one = Devices{alike, {.drop_before = 0.3}}.plan();
  const RoundPlan both = Devices{alike, {.drop_before = 0.3, .drop_after = 0.5}}.plan();
  ASSERT_THAT(one.lost, Not(IsEmpty()));
  ASSERT_THAT(both.wasted, Not(IsEmpty()));
  for (const auto& victim : one.lost) EXPECT_THAT(both.lost, testing::Contains(victim));
  EXPECT_EQ(drops(both)[DropReason::dropped_before], drops(one)[DropReason::dropped_before]);
}

TEST(RoundPlan, says_who_was_wanted_and_not_there) {
  const RoundPlan plan = Devices{{1, 1, 0.25}, {.deadline_s = 60}, {}, {1, 1, 0}}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(0), id(1)));
  EXPECT_THAT(plan.lost, ElementsAre(Pair(id(2), DropReason::unavailable)));
  EXPECT_EQ(plan.simulated_s, 1.0);  // nobody waits for who was never asked
}

TEST(RoundPlan, takes_no_time_when_nobody_is_there) {
  const RoundPlan plan = Devices{{1, 1}, {.deadline_s = 60}, {}, {0, 0}}.plan();
  EXPECT_THAT(plan.counted, IsEmpty());
  EXPECT_THAT(drops(plan), ElementsAre(Pair(DropReason::unavailable, 2)));
  EXPECT_EQ(plan.simulated_s, 0.0);
}

TEST(RoundPlan, draws_a_cohort_from_those_who_are_there) {
  const Devices devices{{1, 1, 1, 1, 1}, {}, {.size = 2}, {0, 1, 1, 0, 1}};
  for (int round = 0; round < 20; ++round) {
    const RoundPlan plan = devices.plan(round);
    EXPECT_THAT(plan.counted, SizeIs(2));
    EXPECT_THAT(plan.counted, testing::IsSubsetOf({id(1), id(2), id(4)}));
    EXPECT_THAT(plan.lost, IsEmpty());
  }
}

TEST(RoundPlan, counts_fewer_when_fewer_are_there_than_wanted) {
  const RoundPlan plan =
      Devices{{1, 1, 1, 0.5}, {.deadline_s = 9}, {.size = 3}, {0, 1, 0, 1}}.plan();
  EXPECT_THAT(plan.counted, ElementsAre(id(1), id(3)));
  EXPECT_THAT(plan.lost, IsEmpty());
  EXPECT_EQ(plan.simulated_s, 2.0);
}

TEST(RoundPlan, replaces_nobody_in_a_fixed_cohort) {
  const std::vector<double> speeds(8, 1.0);
  Devices devices{speeds, {}, {.size = 3, .sampling = Sampling::fixed}};
  const std::vector<ClientId> members = devices.plan().counted;
  devices.availabilities = std::vector<double>(8, 1.0);
  devices.availabilities[members[1].position()] = 0.0;
  for (int round = 0; round < 5; ++round) {
    const RoundPlan plan = devices.plan(round);
    EXPECT_THAT(plan.counted, ElementsAre(members[0], members[2]));
    EXPECT_THAT(plan.lost, ElementsAre(Pair(members[1], DropReason::unavailable)));
  }
}

TEST(RoundPlan, weights_a_cohort_by_the_work) {
  constexpr int rounds = 3000;
  const Fleet fleet({}, names(3), 1);
  std::map<ClientId, int> counted;
  for (int round = 0; round < rounds; ++round) {
    const RoundPlan plan = plan_round({.size = 1, .sampling = Sampling::weighted}, fleet,
                                      {{10, 30, 60}, 0, 0}, 1, RoundId{round});
    ++counted[plan.counted.at(0)];
  }
  EXPECT_NEAR(counted[id(2)], rounds * 0.6, test::binomial_bound(rounds, 0.6));
}

/// Everything may happen to clients of different speeds.
Devices lively() {
  return {{1, 2, 0.5, 0.25, 0.9, 1.1, 0.3, 4, 0.6, 1.3, 0.7, 0.8},
          {.deadline_s = 3, .drop_before = 0.1, .drop_after = 0.2},
          {.size = 4, .over_sampling = 1.6},
          std::vector<double>(12, 0.9)};
}

TEST(RoundPlan, gives_each_invited_client_one_fate) {
  std::map<DropReason, int> seen;
  for (int round = 0; round < 200; ++round) {
    const RoundPlan plan = lively().plan(round);
    EXPECT_LE(plan.counted.size(), 4U);
    EXPECT_EQ(plan.counted.size() + plan.lost.size(), 7U);  // ceil(4 x 1.6)
    EXPECT_TRUE(std::ranges::is_sorted(plan.counted));
    EXPECT_TRUE(std::ranges::is_sorted(plan.wasted));
    EXPECT_TRUE(std::ranges::is_sorted(plan.lost));
    std::vector<ClientId> dropped_after;
    for (const auto& [client, reason] : plan.lost) {
      EXPECT_FALSE(std::ranges::binary_search(plan.counted, client));
      if (reason == DropReason::dropped_after) dropped_after.push_back(client);
      ++seen[reason];
    }
    EXPECT_EQ(plan.wasted, dropped_after);
  }
  EXPECT_THAT(seen, SizeIs(4));  // all but the unavailable, whom nobody wanted by name
}

TEST(RoundPlan, depends_on_seed_and_round_and_on_nothing_before) {
  const auto text = [](const RoundPlan& plan) {
    std::string found = concat(plan.simulated_s, ":");
    for (const ClientId client : plan.counted) found += concat(" ", client);
    for (const auto& [client, reason] : plan.lost) found += concat(" ", client, to_string(reason));
    return found;
  };
  const std::string alone = text(lively().plan(7));
  for (int round = 0; round < 7; ++round) EXPECT_NE(text(lively().plan(round)), alone);
  EXPECT_EQ(text(lively().plan(7)), alone);
  EXPECT_NE(text(lively().plan(7, 2)), alone);
}

TEST(DropReason, has_a_name_for_files) {
  EXPECT_EQ(to_string(DropReason::unavailable), "unavailable");
  EXPECT_EQ(to_string(DropReason::dropped_before), "dropped_before");
  EXPECT_EQ(to_string(DropReason::straggler), "straggler");
  EXPECT_EQ(to_string(DropReason::dropped_after), "dropped_after");
  EXPECT_EQ(to_string(DropReason::surplus), "surplus");
}

}  // namespace
}  // namespace harmofl
