// SPDX-License-Identifier: Apache-2.0
// Expected values are computed from the rank and the number of ranks.
#include "comm/communicator.hpp"

#include "support/world.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace harmofl {
namespace {

using test::world;
using testing::Each;
using testing::IsEmpty;

/// A communicator that cuts everything into messages of three elements.
Communicator with_tiny_messages() {
  Communicator copy = world().split(0);
  copy.limit_messages(3);
  return copy;
}

/// Distinct text of a length that differs from rank to rank; rank 1 has none.
std::string text_of(std::int64_t rank) {
  return rank == 1
             ? ""
             : std::string(static_cast<std::size_t>(5 * rank + 1), static_cast<char>('a' + rank));
}

std::vector<std::string> texts_of_all() {
  std::vector<std::string> texts;
  for (std::int64_t r = 0; r < world().size(); ++r) texts.push_back(text_of(r));
  return texts;
}

template <class Value>
std::vector<Value> ramp(std::int64_t rank, std::size_t count) {
  std::vector<Value> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<Value>(i) + static_cast<Value>(1000 * rank);
  }
  return values;
}

template <class Value>
void expect_sum_of_ramps(const Communicator& comm, std::size_t count) {
  std::vector<Value> buffer = ramp<Value>(comm.rank().value(), count);
  comm.all_reduce_sum(std::span<Value>(buffer));
  const auto size = static_cast<Value>(comm.size());
  const auto sum_of_ranks = static_cast<Value>(comm.size() * (comm.size() - 1) / 2);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_EQ(buffer[i], size * static_cast<Value>(i) + Value{1000} * sum_of_ranks) << "at " << i;
  }
}

TEST(Communicator, knows_its_ranks) {
  EXPECT_GE(world().rank().value(), 0);
  EXPECT_LT(world().rank().value(), world().size());
  EXPECT_EQ(world().is_root(), world().rank() == Rank{0});
  EXPECT_EQ(world().local_size(), world().size()) << "these tests run on one host";
  EXPECT_EQ(world().local_rank(), world().rank().value());
  EXPECT_FALSE(world().host().empty());
}

TEST(Communicator, sums_every_type_in_place) {
  expect_sum_of_ramps<float>(world(), 17);
  expect_sum_of_ramps<double>(world(), 17);
  expect_sum_of_ramps<std::int64_t>(world(), 17);
  expect_sum_of_ramps<float>(world(), 0);
}

TEST(Communicator, sums_in_several_messages_as_in_one) {
  const Communicator comm = with_tiny_messages();
  for (const std::size_t count : {0U, 1U, 2U, 3U, 4U, 6U, 100U}) {
    expect_sum_of_ramps<float>(comm, count);
    expect_sum_of_ramps<double>(comm, count);
    expect_sum_of_ramps<std::int64_t>(comm, count);
  }
}

TEST(Communicator, sums_integers_that_no_double_holds) {
  const std::int64_t large = (std::int64_t{1} << 58) + 1;
  std::vector<std::int64_t> buffer{large + world().rank().value()};
  world().all_reduce_sum(std::span<std::int64_t>(buffer));
  EXPECT_EQ(buffer[0], world().size() * large + world().size() * (world().size() - 1) / 2);
}

TEST(Communicator, finds_the_largest) {
  const auto rank = static_cast<double>(world().rank().value());
  std::vector<double> buffer{rank, -rank, 4.5, -std::numeric_limits<double>::infinity()};
  world().all_reduce_max(buffer);
  EXPECT_EQ(buffer[0], static_cast<double>(world().size() - 1));
  EXPECT_EQ(buffer[1], 0.0);
  EXPECT_EQ(buffer[2], 4.5);
  EXPECT_EQ(buffer[3], -std::numeric_limits<double>::infinity());
}

TEST(Communicator, keeps_a_nan_of_any_rank_in_the_largest) {
  for (std::int64_t owner = 0; owner < world().size(); ++owner) {
    const bool mine = world().rank().value() == owner;
    std::vector<double> buffer{mine ? std::numeric_limits<double>::quiet_NaN() : 1.0, 2.0};
    world().all_reduce_max(buffer);
    EXPECT_TRUE(std::isnan(buffer[0])) << "owner " << owner;
    EXPECT_EQ(buffer[1], 2.0);
  }
}

TEST(Communicator, broadcasts_the_roots_bytes) {
  const Communicator tiny = with_tiny_messages();
  for (const std::string& sent : {std::string(), std::string("ab"), std::string("a\0bcdefg", 8)}) {
    for (const Communicator* comm : {&world(), &tiny}) {
      std::string bytes = comm->is_root() ? sent : "something else, and longer";
      comm->broadcast(bytes);
      EXPECT_EQ(bytes, sent);
    }
  }
}

TEST(Communicator, broadcasts_megabytes) {
  const std::string sent(5'000'000, 'x');
  std::string bytes = world().is_root() ? sent : "";
  world().broadcast(bytes);
  EXPECT_TRUE(bytes == sent);
}

TEST(Communicator, gathers_on_the_root_alone) {
  const Communicator tiny = with_tiny_messages();
  for (const Communicator* comm : {&world(), &tiny}) {
    const auto gathered = comm->gather(text_of(comm->rank().value()));
    if (comm->is_root()) {
      EXPECT_EQ(gathered, texts_of_all());
    } else {
      EXPECT_THAT(gathered, IsEmpty());
    }
  }
}

TEST(Communicator, gathers_everywhere) {
  const Communicator tiny = with_tiny_messages();
  for (const Communicator* comm : {&world(), &tiny}) {
    EXPECT_EQ(comm->all_gather(text_of(comm->rank().value())), texts_of_all());
  }
}

TEST(Communicator, gathers_nothing_from_everyone) {
  EXPECT_THAT(world().all_gather(std::string()), Each(IsEmpty()));
  EXPECT_EQ(std::ssize(world().all_gather(std::string())), world().size());
}

TEST(Communicator, sends_each_ranks_bytes_to_the_root) {
  const Communicator tiny = with_tiny_messages();
  for (const Communicator* comm : {&world(), &tiny}) {
    for (std::int64_t owner = 0; owner < comm->size(); ++owner) {
      const std::string received =
          comm->transfer(Rank{owner}, Rank{0}, text_of(comm->rank().value()));
      EXPECT_EQ(received, comm->is_root() ? text_of(owner) : "");
    }
  }
}

TEST(Communicator, tells_whether_any_rank_says_yes) {
  EXPECT_FALSE(world().any(false));
  EXPECT_TRUE(world().any(true));
  for (std::int64_t r = 0; r < world().size(); ++r) {
    EXPECT_TRUE(world().any(world().rank() == Rank{r}));
  }
}

TEST(Communicator, splits_by_colour_in_the_present_order) {
  const std::int64_t rank = world().rank().value();
  const Communicator part = world().split(static_cast<int>(rank % 2));
  EXPECT_EQ(part.size(), (world().size() + 1 - rank % 2) / 2);
  EXPECT_EQ(part.rank().value(), rank / 2);
  std::vector<std::int64_t> sum{rank};
  part.all_reduce_sum(std::span<std::int64_t>(sum));
  std::int64_t expected = 0;
  for (std::int64_t r = rank % 2; r < world().size(); r += 2) expected += r;
  EXPECT_EQ(sum[0], expected);
}

TEST(Communicator, is_one_rank_when_serial) {
  const Communicator serial = Communicator::serial();
  std::vector<double> buffer{1.5};
  serial.all_reduce_sum(std::span<double>(buffer));
  serial.all_reduce_max(buffer);
  serial.barrier();
  EXPECT_EQ(buffer[0], 1.5);
  EXPECT_EQ(serial.size(), 1);
  EXPECT_EQ(serial.split(3).size(), 1);
}

TEST(Communicator, can_be_moved) {
  Communicator first = world().split(0);
  const Communicator second = std::move(first);
  EXPECT_EQ(second.size(), world().size());
  second.barrier();
}

TEST(MpiLibrary, tells_its_version_in_one_line) {
  const std::string version = mpi_library_version();
  EXPECT_FALSE(version.empty());
  EXPECT_EQ(version.find('\n'), std::string::npos);
}

}  // namespace
}  // namespace harmofl
