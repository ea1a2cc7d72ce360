// SPDX-License-Identifier: Apache-2.0
// What clients keep, in memory and beyond.
#include "fl/clients/client_states.hpp"

#include "model/tensors.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <unistd.h>
#include <vector>

namespace harmofl {
namespace {

using test::same_bits;

constexpr std::int64_t values = 256;
constexpr std::int64_t bytes_of_one = values * 4;
constexpr std::int64_t client_count = 10;

torch::Tensor content(std::int64_t client, int round) {
  return torch::full({values}, static_cast<double>(client) + 0.1 * round, torch::kFloat32);
}

/// Three rounds in which every client finds what it left and leaves something else.
void visit_all(ClientStates& states) {
  for (int round = 0; round < 3; ++round) {
    for (ClientId id{0}; id.value() < client_count; ++id) {
      states.with(id, [&](NamedState& state) {
        if (round == 0) {
          EXPECT_TRUE(state.empty());
        } else {
          EXPECT_TRUE(same_bits(state.get("m"), content(id.value(), round - 1)));
        }
        state.tensor("m", torch::empty({values})).copy_(content(id.value(), round));
      });
    }
  }
}

TEST(ClientStates, are_all_in_memory_without_a_budget) {
  const test::TempFolder folder;
  ClientStates states({0, folder.path()}, torch::kCPU);
  visit_all(states);
  EXPECT_EQ(states.memory_bytes(), client_count * bytes_of_one);
  EXPECT_EQ(states.file_bytes(), 0);
}

TEST(ClientStates, keep_to_the_budget_and_lose_nothing) {
  for (const std::int64_t in_memory : {0, 1, 4, 9}) {
    const test::TempFolder folder;
    ClientStates states({in_memory * bytes_of_one + 1, folder.path()}, torch::kCPU);
    visit_all(states);
    EXPECT_EQ(states.memory_bytes(), in_memory * bytes_of_one);
    EXPECT_EQ(states.file_bytes() > 0, in_memory < client_count);
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

TEST(ClientStates, can_be_given_to_another_rank) {
  const test::TempFolder folder;
  for (const std::int64_t budget : {std::int64_t{0}, std::int64_t{1}}) {
    ClientStates from({budget, folder.path()}, torch::kCPU);
    ClientStates to({budget, folder.path()}, torch::kCPU);
    visit_all(from);
    to.put(ClientId{3}, from.extract(ClientId{3}));
    to.with(ClientId{3},
            [](NamedState& state) { EXPECT_TRUE(same_bits(state.get("m"), content(3, 2))); });
    from.with(ClientId{3}, [](NamedState& state) { EXPECT_TRUE(state.empty()); });
  }
}

TEST(ClientStates, count_no_memory_for_what_was_forgotten) {
  const test::TempFolder folder;
  ClientStates states({0, folder.path()}, torch::kCPU);
  visit_all(states);
  for (ClientId id{0}; id.value() < client_count; ++id) {
    states.with(id, [](NamedState& state) { state.drop(""); });
  }
  EXPECT_EQ(states.memory_bytes(), 0);
}

// States live long. In the heap they would lie between what training frees at every step, and keep
// that from being used again as a whole.
TEST(ClientStates, have_memory_that_is_not_of_the_heap) {
  for (const std::int64_t budget : {std::int64_t{0}, 2 * bytes_of_one + 1}) {
    const test::TempFolder folder;
    ClientStates states({budget, folder.path()}, torch::kCPU);
    visit_all(states);
    for (ClientId id{0}; id.value() < 2; ++id) {
      states.with(id, [&](NamedState& state) {
        EXPECT_TRUE(same_bits(state.get("m"), content(id.value(), 2)));
        EXPECT_GE(state.get("m").const_data_ptr(), sbrk(0));  // above the end of the heap
      });
    }
  }
}

TEST(ClientStates, say_at_once_that_there_is_no_place_for_what_does_not_fit) {
  ClientStates limited({1, "/proc/nothing"}, torch::kCPU);
  EXPECT_THAT(
      test::user_error_of([&] { limited.open_scratch(); }),
      testing::AllOf(testing::HasSubstr("/proc/nothing"), testing::HasSubstr("run.scratch")));
  ClientStates unlimited({0, "/proc/nothing"}, torch::kCPU);
  EXPECT_NO_THROW(unlimited.open_scratch());
}

}  // namespace
}  // namespace harmofl
