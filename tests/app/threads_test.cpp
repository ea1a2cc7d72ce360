// SPDX-License-Identifier: Apache-2.0
#include "app/threads.hpp"

#include "base/process/cores.hpp"

#include <gmock/gmock.h>
#include <sched.h>

#include <memory>
#include <vector>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<int> cores(int first, int count) {
  std::vector<int> found;
  for (int i = 0; i < count; ++i) found.push_back(first + i);
  return found;
}

/// `count` ranks of one host with 8 cores, each of which may use `per_rank` of them.
std::vector<RankCores> bound(int count, int per_rank, int threads, const char* host = "a") {
  std::vector<RankCores> ranks;
  for (int i = 0; i < count; ++i) {
    ranks.push_back({host, 8, cores(i * per_rank, per_rank), threads});
  }
  return ranks;
}

/// `count` ranks of one host with 8 cores, all of which may use the same `shared` of them.
std::vector<RankCores> unbound(int count, int shared, int threads, const char* host = "a") {
  return std::vector<RankCores>(static_cast<std::size_t>(count),
                                {host, 8, cores(0, shared), threads});
}

TEST(CoresFor, the_first_wish_decides) {
  const auto ranks = unbound(2, 8, 1);
  EXPECT_EQ(cores_for({.omp = 3, .slurm_cpus_task = 2}, ranks, 0), 3);
  EXPECT_EQ(cores_for({.slurm_cpus_task = 2}, ranks, 0), 2);
}

TEST(CoresFor, ranks_that_are_not_bound_share_the_cores_out) {
  EXPECT_EQ(cores_for({}, unbound(1, 8, 1), 0), 8);
  EXPECT_EQ(cores_for({}, unbound(2, 8, 1), 1), 4);
  EXPECT_EQ(cores_for({}, unbound(3, 8, 1), 2), 2);
  EXPECT_EQ(cores_for({}, unbound(3, 3, 1), 2), 1);
  EXPECT_EQ(cores_for({}, unbound(20, 8, 1), 7), 1);
}

TEST(CoresFor, bound_ranks_use_all_that_they_are_bound_to) {
  EXPECT_EQ(cores_for({}, bound(2, 4, 1), 0), 4);
  EXPECT_EQ(cores_for({}, bound(2, 4, 1), 1), 4);
}

TEST(CoresFor, ranks_of_other_hosts_share_nothing) {
  auto ranks = unbound(2, 8, 1, "a");
  ranks.push_back({"b", 8, cores(0, 8), 1});
  EXPECT_EQ(cores_for({}, ranks, 0), 4);
  EXPECT_EQ(cores_for({}, ranks, 2), 8);
}

TEST(CoresFor, ranks_bound_to_one_socket_each_share_its_cores) {
  auto ranks = unbound(2, 4, 1);
  ranks.push_back({"a", 8, cores(4, 4), 1});
  EXPECT_EQ(cores_for({}, ranks, 0), 2);
  EXPECT_EQ(cores_for({}, ranks, 2), 4);
}

struct LaneCase {
  const char* what;
  LaneWishes wishes;
  int cores;
  LanesAndThreads expected;
};

constexpr std::int64_t all_fit = 1000;

std::vector<LaneCase> lane_cases() {
  return {
      {"a lane for each core", {.clients = 20, .fitting = all_fit}, 8, {8, 1}},
      {"a lane for each client", {.clients = 8, .fitting = all_fit}, 8, {8, 1}},
      {"threads where clients are fewer", {.clients = 3, .fitting = all_fit}, 8, {3, 2}},
      {"threads for a client alone", {.clients = 1, .fitting = all_fit}, 8, {1, 8}},
      {"no thread that has no core", {.clients = 5, .fitting = all_fit}, 8, {5, 1}},
      {"one core", {.clients = 20, .fitting = all_fit}, 1, {1, 1}},
      {"exact: lanes of one thread", {.exact = true, .clients = 3, .fitting = all_fit}, 8, {3, 1}},
      {"exact, a client alone", {.exact = true, .clients = 1, .fitting = all_fit}, 8, {1, 1}},
      {"threads given", {.threads = 2, .clients = 20, .fitting = all_fit}, 8, {4, 2}},
      {"more threads given than a core a lane",
       {.threads = 3, .clients = 20, .fitting = all_fit},
       8,
       {2, 3}},
      {"more threads given than cores",
       {.threads = 9, .clients = 20, .fitting = all_fit},
       8,
       {1, 9}},
      {"threads given, exact",
       {.threads = 2, .exact = true, .clients = 2, .fitting = all_fit},
       8,
       {2, 2}},
      {"lanes given", {.lanes = 2, .clients = 20, .fitting = all_fit}, 8, {2, 4}},
      {"lanes given, exact", {.lanes = 2, .exact = true, .clients = 20, .fitting = 9}, 8, {2, 1}},
      {"more lanes given than cores", {.lanes = 9, .clients = 20, .fitting = all_fit}, 8, {9, 1}},
      {"both given", {.lanes = 3, .threads = 5, .clients = 1, .fitting = 1}, 2, {3, 5}},
      {"models too large for all", {.clients = 20, .fitting = 3}, 8, {3, 2}},
      {"one lane on a GPU", {.gpu = true, .clients = 20, .fitting = all_fit}, 8, {1, 8}},
      {"lanes given on a GPU", {.lanes = 4, .gpu = true, .clients = 20, .fitting = 1}, 8, {4, 2}},
  };
}

TEST(LanesAndThreads, follow_from_what_is_given_and_from_clients_cores_and_memory) {
  for (const LaneCase& c : lane_cases()) {
    const LanesAndThreads found = lanes_and_threads(c.wishes, c.cores);
    EXPECT_EQ(found.lanes, c.expected.lanes) << c.what;
    EXPECT_EQ(found.threads, c.expected.threads) << c.what;
  }
}

TEST(ClientsAtOnce, are_the_share_of_a_rank_in_those_who_are_invited) {
  SimulationOptions run;
  EXPECT_EQ(clients_at_once(run, 7, 2), 4);
  EXPECT_EQ(clients_at_once(run, 7, 9), 1);
  run.cohort.size = 5;
  EXPECT_EQ(clients_at_once(run, 100, 2), 3);
  run.cohort.over_sampling = 1.5;  // 8 are invited
  EXPECT_EQ(clients_at_once(run, 100, 2), 4);
  EXPECT_EQ(clients_at_once(run, 6, 2), 3);
}

TEST(ClientsAtOnce, are_one_where_they_cannot_be_trained_at_the_same_time) {
  SimulationOptions cyclic, pieces, script;
  cyclic.algorithm = "cyclic";
  pieces.local.pieces = 2;
  script.model.network.script = std::make_shared<ScriptFile>();
  for (const SimulationOptions& run : {cyclic, pieces, script}) {
    EXPECT_EQ(clients_at_once(run, 10, 1), 1);
  }
}

TEST(LanesThatFit, have_a_model_and_a_gradient_each_beside_one_global_model) {
  // 3 GB for one lane and 2 GB for each further one.
  EXPECT_EQ(lanes_that_fit(3e9, 9e9, 1), 4);
  EXPECT_EQ(lanes_that_fit(3e9, 8.9e9, 1), 3);
  EXPECT_EQ(lanes_that_fit(3e9, 18e9, 2), 4);
  EXPECT_EQ(lanes_that_fit(3e9, 1e9, 1), 1);
  EXPECT_EQ(lanes_that_fit(1.0, 1e18, 1), 32767);
}

TEST(Oversubscription, is_silent_where_every_thread_has_a_core) {
  EXPECT_THAT(oversubscription(unbound(4, 8, 2)), IsEmpty());
  EXPECT_THAT(oversubscription(bound(4, 2, 2)), IsEmpty());
}

TEST(Oversubscription, counts_threads_against_cores_and_names_both_and_the_remedy) {
  EXPECT_THAT(oversubscription(unbound(4, 8, 3)),
              AllOf(HasSubstr("4 rank(s) with 12 thread(s)"), HasSubstr("8 core(s) of a"),
                    HasSubstr("--device.threads 2")));
}

TEST(Oversubscription, of_single_threads_asks_for_fewer_ranks_alone) {
  EXPECT_THAT(oversubscription(unbound(12, 8, 1)),
              AllOf(HasSubstr("12 rank(s) with 12 thread(s)"), HasSubstr("Fewer ranks"),
                    Not(HasSubstr("--device.threads"))));
}

TEST(Oversubscription, counts_the_threads_of_all_lanes) {
  auto ranks = unbound(2, 8, 2);
  EXPECT_THAT(oversubscription(ranks), IsEmpty());
  for (RankCores& rank : ranks) rank.lanes = 3;
  EXPECT_THAT(oversubscription(ranks), AllOf(HasSubstr("2 rank(s) with 12 thread(s)"),
                                             HasSubstr("fewer lanes times threads (4 at most)")));
}

TEST(Oversubscription, counts_the_cores_that_a_job_has_of_a_larger_host) {
  EXPECT_THAT(oversubscription(unbound(4, 2, 3)), HasSubstr("share 2 core(s) of a"));
}

TEST(Oversubscription, of_ranks_that_are_all_bound_to_the_same_core_asks_for_another_binding) {
  EXPECT_THAT(oversubscription(unbound(4, 1, 1)),
              AllOf(HasSubstr("share 1 core(s) of a, which has 8"),
                    HasSubstr("mpirun --map-by slot:PE=1 --bind-to core"),
                    HasSubstr("srun --cpus-per-task=1 --cpu-bind=cores")));
}

TEST(Oversubscription, of_one_core_a_rank_with_several_threads_asks_for_another_binding) {
  EXPECT_THAT(oversubscription(bound(2, 1, 4)),
              AllOf(HasSubstr("2 rank(s) with 8 thread(s)"), HasSubstr("slot:PE=4")));
}

TEST(Oversubscription, of_a_single_rank_is_seen_though_the_host_has_cores_left) {
  std::vector<RankCores> ranks{{"a", 8, cores(0, 1), 2}, {"a", 8, cores(1, 7), 2}};
  EXPECT_THAT(oversubscription(ranks), HasSubstr("slot:PE=2"));
}

TEST(Oversubscription, of_the_second_host_is_seen) {
  auto ranks = bound(2, 4, 4, "a");
  for (const RankCores& rank : unbound(2, 8, 8, "b")) ranks.push_back(rank);
  EXPECT_THAT(oversubscription(ranks), HasSubstr("of b"));
}

TEST(PinningAdvice, is_given_where_ranks_share_their_cores) {
  EXPECT_THAT(pinning_advice(unbound(4, 8, 2)),
              AllOf(HasSubstr("4 ranks of a"), HasSubstr("share 8 cores"),
                    HasSubstr("mpirun --map-by slot:PE=2 --bind-to core"),
                    HasSubstr("srun --cpus-per-task=2 --cpu-bind=cores")));
}

TEST(PinningAdvice, is_not_given_to_bound_ranks_nor_to_a_rank_alone_on_its_host) {
  EXPECT_THAT(pinning_advice(bound(4, 2, 2)), IsEmpty());
  EXPECT_THAT(pinning_advice(unbound(1, 8, 8)), IsEmpty());
}

TEST(PinningAdvice, is_not_given_where_cores_are_too_few_to_bind_to) {
  EXPECT_THAT(pinning_advice(unbound(4, 8, 3)), IsEmpty());
}

TEST(UsableCores, are_those_of_the_affinity) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const std::vector<int> all = usable_cores();
  ASSERT_EQ(static_cast<int>(all.size()), CPU_COUNT(&before));
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(all.back(), &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  EXPECT_EQ(usable_cores(), std::vector<int>{all.back()});
  ASSERT_EQ(sched_setaffinity(0, sizeof before, &before), 0);
}

}  // namespace
}  // namespace harmofl
