// SPDX-License-Identifier: Apache-2.0
// Expected values are computed from the rank and the number of ranks.
#include "comm/named_numbers.hpp"

#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::world;

/// Rank r has r maps, the first of them empty; names are those of all ranks and one of its own.
std::vector<NamedNumbers> numbers_of(std::int64_t rank) {
  std::vector<NamedNumbers> list;
  for (std::int64_t i = 0; i < rank; ++i) {
    const double value = static_cast<double>(rank) + 0.1 * static_cast<double>(i);
    list.push_back({});
    if (i > 0) list.back() = {{"loss", value}, {concat("only on ", rank), -value}};
  }
  return list;
}

TEST(NamedNumbers, reach_the_root_as_they_were_on_every_rank) {
  const auto all = gather_named(numbers_of(world().rank().value()), world());
  ASSERT_EQ(std::ssize(all), world().is_root() ? world().size() : 0);
  for (std::size_t r = 0; r < all.size(); ++r) {
    EXPECT_EQ(all[r], numbers_of(static_cast<std::int64_t>(r))) << "rank " << r;
  }
}

TEST(NamedNumbers, go_by_a_path_of_one_rank_without_mpi) {
  const auto all = gather_named(numbers_of(3), Communicator::serial());
  EXPECT_EQ(all, (std::vector<std::vector<NamedNumbers>>{numbers_of(3)}));
}

}  // namespace
}  // namespace harmofl
