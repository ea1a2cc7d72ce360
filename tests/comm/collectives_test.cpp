// SPDX-License-Identifier: Apache-2.0
// Collectives of values. Expected values are computed from the rank and the number of ranks.
#include "comm/communicator.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace harmofl {
namespace {

using test::world;
using testing::Each;
using testing::IsEmpty;

/// A struct as callers send: of several types, with room between them.
struct Sample {
  std::int32_t place = 0;
  double value = 0.0;
  bool operator==(const Sample&) const = default;
};

/// Distinct values of a rank, of which there are 0, 4, 1, 5, 2, ... by rank.
template <class Value>
Value value_of(std::int64_t rank, std::int64_t i) {
  return static_cast<Value>(100 * rank + i + 1);
}
template <>
Sample value_of<Sample>(std::int64_t rank, std::int64_t i) {
  return {static_cast<std::int32_t>(rank + 1), 0.1 * static_cast<double>(i + 1)};
}
template <>
Rank value_of<Rank>(std::int64_t rank, std::int64_t i) {
  return Rank{(std::int64_t{1} << 40) * rank - i};
}

template <class Value>
std::vector<Value> values_of(std::int64_t rank) {
  const std::int64_t count = rank % 2 == 0 ? rank / 2 : 4 + rank / 2;
  std::vector<Value> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(value_of<Value>(rank, i));
  return values;
}

template <class Value>
std::vector<std::vector<Value>> values_of_all(const Communicator& comm) {
  std::vector<std::vector<Value>> all;
  for (std::int64_t r = 0; r < comm.size(); ++r) all.push_back(values_of<Value>(r));
  return all;
}

/// One rank without MPI, all ranks, and all ranks with messages of at most `most_bytes`, which cut
/// values in the middle.
class Ranks {
 public:
  Ranks() {
    for (const std::int64_t most_bytes : {1, 3, 13, 1 << 20}) {
      comms_.push_back(world().split(0));
      comms_.back().limit_messages(most_bytes);
    }
    comms_.push_back(Communicator::serial());
  }
  auto begin() const { return comms_.begin(); }
  auto end() const { return comms_.end(); }

 private:
  std::vector<Communicator> comms_;
};

template <class Value>
class Collectives : public testing::Test {};
using Values = testing::Types<std::uint8_t, std::int64_t, float, double, Rank, Sample>;
TYPED_TEST_SUITE(Collectives, Values);

TYPED_TEST(Collectives, gather_on_the_root_alone) {
  for (const Communicator& comm : Ranks()) {
    const auto all = comm.gather(values_of<TypeParam>(comm.rank().value()));
    if (comm.is_root()) {
      EXPECT_EQ(all, values_of_all<TypeParam>(comm));
    } else {
      EXPECT_THAT(all, IsEmpty());
    }
  }
}

TYPED_TEST(Collectives, gather_everywhere) {
  for (const Communicator& comm : Ranks()) {
    EXPECT_EQ(comm.all_gather(values_of<TypeParam>(comm.rank().value())),
              values_of_all<TypeParam>(comm));
  }
}

TYPED_TEST(Collectives, gather_one_value_of_each_rank) {
  for (const Communicator& comm : Ranks()) {
    const auto all = comm.all_gather_value(value_of<TypeParam>(comm.rank().value(), 3));
    ASSERT_EQ(std::ssize(all), comm.size());
    for (std::int64_t r = 0; r < comm.size(); ++r) {
      EXPECT_EQ(all[static_cast<std::size_t>(r)], value_of<TypeParam>(r, 3));
    }
  }
}

TYPED_TEST(Collectives, broadcast_what_the_root_has_whatever_others_held) {
  for (const Communicator& comm : Ranks()) {
    for (const std::int64_t sent : {0, 1, 3}) {
      const std::vector<TypeParam> expected = values_of<TypeParam>(sent);
      std::vector<TypeParam> values =
          comm.is_root() ? expected : values_of<TypeParam>(5 * comm.rank().value());
      comm.broadcast(values);
      EXPECT_EQ(values, expected);
    }
  }
}

TYPED_TEST(Collectives, broadcast_one_value) {
  for (const Communicator& comm : Ranks()) {
    TypeParam value = value_of<TypeParam>(comm.rank().value() + 1, 2);
    comm.broadcast_value(value);
    EXPECT_EQ(value, value_of<TypeParam>(1, 2));
  }
}

TYPED_TEST(Collectives, send_from_any_rank_to_any) {
  for (const Communicator& comm : Ranks()) {
    for (Rank from{0}; from.value() < comm.size(); ++from) {
      for (Rank to{0}; to.value() < comm.size(); ++to) {
        const auto got = comm.transfer(from, to, values_of<TypeParam>(comm.rank().value()));
        EXPECT_EQ(
            got, comm.rank() == to ? values_of<TypeParam>(from.value()) : std::vector<TypeParam>());
      }
    }
  }
}

TEST(CollectivesOfNothing, give_every_rank_an_empty_list) {
  const std::vector<double> nothing;
  for (const Communicator& comm : Ranks()) {
    EXPECT_EQ(std::ssize(comm.all_gather(nothing)), comm.size());
    EXPECT_THAT(comm.all_gather(nothing), Each(IsEmpty()));
    EXPECT_EQ(std::ssize(comm.gather(nothing)), comm.is_root() ? comm.size() : 0);
  }
}

TEST(CollectivesOfNumbers, keep_every_bit) {
  const std::vector<double> sent{std::numeric_limits<double>::quiet_NaN(), -0.0, 0.1,
                                 std::numeric_limits<double>::denorm_min(),
                                 -std::numeric_limits<double>::infinity()};
  for (const Communicator& comm : Ranks()) {
    for (const std::vector<double>& got : comm.all_gather(sent)) {
      ASSERT_EQ(got.size(), sent.size());
      EXPECT_EQ(std::memcmp(got.data(), sent.data(), sizeof(double) * sent.size()), 0);
    }
  }
}

// One rank has much and the others little: pieces must stop where each rank's bytes do.
TEST(CollectivesOfNumbers, are_gathered_in_many_messages_where_one_rank_has_much) {
  for (std::int64_t owner = 0; owner < world().size(); ++owner) {
    Communicator comm = world().split(0);
    comm.limit_messages(1000);
    const std::int64_t count = comm.rank().value() == owner ? 10'007 : comm.rank().value();
    std::vector<std::int64_t> own;
    for (std::int64_t i = 0; i < count; ++i) own.push_back(i * i + comm.rank().value());
    const auto all = comm.all_gather(own);
    for (std::int64_t r = 0; r < comm.size(); ++r) {
      const auto& got = all[static_cast<std::size_t>(r)];
      ASSERT_EQ(std::ssize(got), r == owner ? 10'007 : r);
      for (std::int64_t i = 0; i < std::ssize(got); ++i) {
        ASSERT_EQ(got[static_cast<std::size_t>(i)], i * i + r) << "rank " << r << " at " << i;
      }
    }
  }
}

}  // namespace
}  // namespace harmofl
