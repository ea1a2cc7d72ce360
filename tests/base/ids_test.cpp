// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/ids.hpp"

#include <gmock/gmock.h>

#include <sstream>
#include <type_traits>

namespace harmofl {
namespace {

static_assert(!std::is_convertible_v<int, ClientId>, "an index is made on purpose");
static_assert(!std::is_convertible_v<ClientId, std::int64_t>);
static_assert(!std::is_convertible_v<ClientId, Rank> && !std::is_constructible_v<Rank, ClientId>);

TEST(Index, counts_and_compares) {
  RoundId round{4};
  EXPECT_EQ(++round, RoundId{5});
  EXPECT_LT(RoundId{4}, round);
  EXPECT_EQ(round.value(), 5);
  EXPECT_EQ(round.position(), 5U);
  EXPECT_EQ(RoundId{}, RoundId{0});
}

TEST(Index, prints_its_value) {
  std::ostringstream out;
  out << ClientId{12};
  EXPECT_EQ(out.str(), "12");
}

}  // namespace
}  // namespace harmofl
