// SPDX-License-Identifier: Apache-2.0
// Sums of GPU memory by NCCL: their order among streams, ranks that share a GPU, and failures.
#include "comm/stand_in/fixture.hpp"
#include "comm/watchdog.hpp"

#include <algorithm>
#include <limits>

namespace harmofl {
namespace {

using stand_in::counts;
using stand_in::faults;
using test::gpu;
using test::is_last_rank;
using test::own_rank;
using test::summed;
using test::summed_behind;
using test::sums_over_ranks;
using test::world;
using testing::HasSubstr;

class NcclSums : public test::StandIn {};

TEST_F(NcclSums, are_those_of_the_numbers) {
  auto transport = connect();
  EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
  EXPECT_EQ(summed<std::int64_t>(*transport), sums_over_ranks<std::int64_t>());
  EXPECT_EQ(counts().sums, 2);
  transport.reset();
  EXPECT_EQ(counts().destroyed, 1) << "all is well: nothing to abort";
}

TEST_F(NcclSums, are_there_when_the_call_returns_however_slow_the_stream) {
  stand_in::delay_new_streams(40);
  const auto transport = connect();
  EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
  EXPECT_EQ(summed<std::int64_t>(*transport), sums_over_ranks<std::int64_t>());
}

TEST_F(NcclSums, begin_when_another_stream_has_filled_the_buffer) {
  const auto transport = connect();
  EXPECT_EQ(summed_behind(slow_stream(60), *transport), sums_over_ranks<float>());
  stand_in::delay(nullptr, 60);
  EXPECT_EQ(summed_behind(nullptr, *transport), sums_over_ranks<float>());
}

TEST_F(NcclSums, of_nothing_ask_nothing_of_nccl) {
  const auto transport = connect();
  transport->all_reduce_sum(std::span<float>());
  EXPECT_EQ(counts().sums, 0);
}

// The other ranks hear of it: nobody waits for the one that failed.
TEST_F(NcclSums, end_on_every_rank_with_an_error_that_comes_up_on_one) {
  auto transport = connect();
  if (is_last_rank()) faults().sum_that_fails = 1;
  EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
  std::string message;
  try {
    summed<float>(*transport);
  } catch (const RankFailure& error) {
    message = error.what();
    transport.reset();  // as the end of the program does
  }
  EXPECT_THAT(message, HasSubstr("NCCL failed to sum a buffer: "));
  EXPECT_THAT(message, HasSubstr(is_last_rank() ? "system error" : "another rank failed"));
  EXPECT_EQ(counts().aborted, 1);
  EXPECT_EQ(counts().destroyed, 0);
}

TEST_F(NcclSums, end_with_an_error_of_the_gpu) {
  auto transport = connect();
  faults().streams_fail = true;
  EXPECT_THAT(test::error_of<RankFailure>([&] { summed<float>(*transport); }),
              HasSubstr("cudaErrorLaunchFailure"));
  faults().streams_fail = false;
  transport.reset();
  EXPECT_EQ(counts().aborted, 1);
}

/// Which GPU each rank has, by rank; those above take the last.
using Layout = std::vector<std::int64_t>;

class NcclSumsOfSharers : public NcclSums {
 protected:
  void give(const Layout& layout) {
    const auto position = std::min(static_cast<std::size_t>(own_rank()), layout.size() - 1);
    stand_in::reset({gpu(layout[position])});
  }
  /// Ranks that have a GPU which no rank below has.
  static std::int64_t gpus() {
    std::vector<std::string> all = world().all_gather(stand_in::current_gpu().uuid);
    std::ranges::sort(all);
    return std::unique(all.begin(), all.end()) - all.begin();
  }
  static std::int64_t over_ranks(std::int64_t count) {
    world().all_reduce_sum(std::span(&count, 1));
    return count;
  }
};

const std::vector<Layout> layouts{
    {0, 0, 0, 0}, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 1, 2}, {3, 2, 1, 0}};

TEST_F(NcclSumsOfSharers, are_those_of_the_numbers_with_one_rank_a_gpu_in_nccl) {
  for (const Layout& layout : layouts) {
    give(layout);
    const auto transport = connect();
    EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
    EXPECT_EQ(summed<std::int64_t>(*transport), sums_over_ranks<std::int64_t>());
    EXPECT_EQ(over_ranks(counts().connected), gpus());
    EXPECT_EQ(over_ranks(counts().sums), 2 * gpus());
  }
}

TEST_F(NcclSumsOfSharers, are_of_one_rank_in_nccl_for_slices_of_one_gpu) {
  const std::string slice = "MIG " + std::to_string(own_rank());
  stand_in::reset({{slice, gpu(own_rank() / 2).bus_id}});
  const auto transport = connect();
  EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
  EXPECT_EQ(over_ranks(counts().sums), (world().size() + 1) / 2);
}

// Integers that no floating-point number holds, which wrap round on the way.
TEST_F(NcclSumsOfSharers, have_the_bits_of_mpi_where_they_are_exact) {
  const auto numbers = [] {
    std::vector<std::int64_t> values;
    for (std::int64_t i = 0; i < 100; ++i) {
      values.push_back(std::numeric_limits<std::int64_t>::max() / (i + 1) - 7 * own_rank() * i);
    }
    return values;
  };
  std::vector<std::int64_t> expected = numbers();
  world().all_reduce_sum(std::span(expected));
  for (const Layout& layout : layouts) {
    give(layout);
    std::vector<std::int64_t> found = numbers();
    connect()->all_reduce_sum(std::span(found));
    EXPECT_EQ(found, expected);
  }
}

TEST_F(NcclSumsOfSharers, begin_when_another_stream_has_filled_the_buffer) {
  for (const Layout& layout : layouts) {
    give(layout);
    stand_in::delay_new_streams(20);
    const auto transport = connect();
    stand_in::delay(nullptr, 60);
    EXPECT_EQ(summed_behind(nullptr, *transport), sums_over_ranks<float>());
  }
}

TEST_F(NcclSumsOfSharers, go_by_mpi_where_nobody_asked_for_nccl_and_all_share_one_gpu) {
  give({0});
  const bool alone = world().size() == 1;
  EXPECT_EQ(connect(TransportKind::automatic)->name(), alone ? "nccl" : "mpi (staged)");
  give({0, 1});
  EXPECT_EQ(connect(TransportKind::automatic)->name(), "nccl");
}

TEST_F(NcclSumsOfSharers, are_of_every_rank_in_nccl_under_host_ids_of_their_own) {
  give({0});
  const test::ScopedVariable id("NCCL_HOSTID", std::to_string(own_rank()).c_str());
  const auto transport = connect(TransportKind::automatic);
  EXPECT_EQ(transport->name(), "nccl");
  EXPECT_EQ(summed<float>(*transport), sums_over_ranks<float>());
  EXPECT_EQ(over_ranks(counts().sums), world().size());
}

// Run by hand, or by the test of its own that says what must come out: it ends the job.
TEST_F(NcclSums, DISABLED_waits_for_a_rank_that_never_sums) {
  Watchdog watchdog(is_last_rank() ? 600.0 : 1.0, world().rank());
  const auto transport = connect();
  faults().never_sums = is_last_rank();
  watchdog.kick("summing", "in round 3", Work::together);
  summed<float>(*transport);
}

}  // namespace
}  // namespace harmofl
