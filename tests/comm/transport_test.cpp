// SPDX-License-Identifier: Apache-2.0
#include "comm/transport.hpp"

#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using test::world;

TEST(Transport, sums_host_memory_by_mpi) {
  const auto transport = make_transport(TransportKind::automatic, world(), false);
  EXPECT_EQ(transport->name(), "mpi");
  EXPECT_FALSE(transport->on_gpu());

  std::vector<float> floats(9, static_cast<float>(world().rank().value() + 1));
  std::vector<std::int64_t> integers(5, world().rank().value() + 1);
  transport->all_reduce_sum(std::span<float>(floats));
  transport->all_reduce_sum(std::span<std::int64_t>(integers));
  const std::int64_t expected = world().size() * (world().size() + 1) / 2;
  EXPECT_THAT(floats, testing::Each(static_cast<float>(expected)));
  EXPECT_THAT(integers, testing::Each(expected));
}

TEST(Transport, refuses_nccl_for_host_memory) {
  EXPECT_THROW(make_transport(TransportKind::nccl, world(), false), UserError);
}

}  // namespace
}  // namespace harmofl
