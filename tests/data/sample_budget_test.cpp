// SPDX-License-Identifier: Apache-2.0
#include "data/batches/sample_budget.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t gib = std::int64_t{1} << 30;

struct BudgetCase {
  const char* what;
  GpuRoom room;
  std::int64_t expected;
};

TEST(SampleBudget, is_a_ranks_share_less_what_its_model_needs_and_an_eighth) {
  const BudgetCase cases[] = {
      {"nothing is free", {}, 0},
      {"one rank, no model", {.free_bytes = 80 * gib}, 70 * gib},
      {"a model and its step", {.free_bytes = 80 * gib, .step_bytes = 20 * gib}, 50 * gib},
      {"sums and states as well",
       {.free_bytes = 80 * gib, .step_bytes = 20 * gib, .kept_bytes = 6 * gib},
       44 * gib},
      {"four ranks share",
       {.free_bytes = 80 * gib, .ranks = 4, .step_bytes = 2 * gib},
       (20 - 2) * gib - 20 * gib / 8},
      {"three lanes, each with a model and a step",
       {.free_bytes = 80 * gib, .lanes = 3, .step_bytes = 20 * gib, .kept_bytes = 6 * gib},
       4 * gib},
      {"no room beside the model", {.free_bytes = 8 * gib, .step_bytes = 7 * gib}, 0},
      {"a model that is too large", {.free_bytes = 8 * gib, .step_bytes = 9 * gib}, 0},
  };
  for (const BudgetCase& one : cases) EXPECT_EQ(sample_budget(one.room), one.expected) << one.what;
}

TEST(SampleBudget, leaves_the_model_its_memory_however_many_ranks_fill_theirs) {
  for (const std::int64_t ranks : {1, 2, 3, 7, 8}) {
    const GpuRoom room{96 * gib, ranks, 1, gib, gib / 2};
    const std::int64_t all = ranks * (sample_budget(room) + room.step_bytes + room.kept_bytes);
    EXPECT_LE(all, room.free_bytes) << ranks;
    EXPECT_GT(sample_budget(room), 0) << ranks;
  }
}

TEST(SampleBudget, is_never_overdrawn_by_many_small_clients) {
  constexpr std::int64_t whole = 1'000'000;
  SampleBudget budget(whole);
  std::vector<std::shared_ptr<const void>> taken;
  std::int64_t sum = 0;
  for (std::int64_t client = 0; client < 5'000; ++client) {
    const std::int64_t bytes = 100 + client % 700;
    taken.push_back(budget.take(bytes));
    if (taken.back()) sum += bytes;
    ASSERT_EQ(budget.left_bytes(), whole - sum) << client;
  }
  EXPECT_LE(sum, whole);
  EXPECT_LT(budget.left_bytes(), 100) << "what is left is less than the smallest client takes";
  EXPECT_GT(std::ranges::count(taken, nullptr), 0);
  EXPECT_EQ(budget.take(budget.left_bytes() + 1), nullptr);
}

TEST(SampleBudget, gets_back_what_the_last_copy_gives_up) {
  SampleBudget budget(10);
  auto first = budget.take(7);
  auto copy = first;
  EXPECT_EQ(budget.take(4), nullptr);
  first.reset();
  EXPECT_EQ(budget.left_bytes(), 3);
  copy.reset();
  EXPECT_EQ(budget.left_bytes(), 10);
  EXPECT_NE(budget.take(10), nullptr);
  EXPECT_EQ(budget.left_bytes(), 10) << "nobody kept it";
  EXPECT_NE(SampleBudget(0).take(0), nullptr) << "no samples fit anywhere";
}

TEST(SampleBudget, may_end_before_what_was_taken_of_it) {
  auto budget = std::make_unique<SampleBudget>(5);
  const auto taken = budget->take(5);
  budget.reset();
  EXPECT_NE(taken, nullptr);
}

TEST(SampleBudget, is_never_overdrawn_by_several_threads) {
  SampleBudget budget(1'000);
  std::atomic<std::int64_t> sum = 0;
  std::vector<std::thread> threads;
  std::vector<std::vector<std::shared_ptr<const void>>> kept(4);
  for (auto& own : kept) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        own.push_back(budget.take(3));
        if (own.back()) sum += 3;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 999);
  EXPECT_EQ(budget.left_bytes(), 1);
}

}  // namespace
}  // namespace harmofl
