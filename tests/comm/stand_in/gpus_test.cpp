// SPDX-License-Identifier: Apache-2.0
// Which GPU a rank takes, and whether MPI is trusted with its memory.
#include "comm/gpu/gpu.hpp"
#include "comm/stand_in/fixture.hpp"

#include <mpi.h>
#if defined(OPEN_MPI) && __has_include(<mpi-ext.h>)
#include <mpi-ext.h>
#endif

#include <algorithm>
#include <set>

namespace harmofl {
namespace {

using stand_in::faults;
using test::gpu;
using test::is_last_rank;
using test::own_rank;
using test::world;
using testing::SizeIs;

/// All GPUs of this host, as many as ranks, from the GPU `first` on.
std::vector<stand_in::Gpu> all_from(std::int64_t first) {
  std::vector<stand_in::Gpu> gpus;
  for (std::int64_t i = 0; i < world().size(); ++i)
    gpus.push_back(gpu((first + i) % world().size()));
  return gpus;
}

class GpuOfRank : public test::StandIn {
 protected:
  /// The GPU that this rank takes of those that it sees.
  static std::string taken(const std::vector<stand_in::Gpu>& visible) {
    stand_in::reset(visible);
    return visible.at(static_cast<std::size_t>(gpu_of_rank(world()))).uuid;
  }
  static std::size_t different(const std::string& uuid) {
    const std::vector<std::string> all = world().all_gather(uuid);
    return std::set<std::string>(all.begin(), all.end()).size();
  }
};

TEST_F(GpuOfRank, is_its_own_whatever_each_rank_sees) {
  const auto ranks = static_cast<std::size_t>(world().size());
  EXPECT_EQ(taken(all_from(0)), gpu(own_rank()).uuid);
  EXPECT_EQ(taken({gpu(5 - own_rank())}), gpu(5 - own_rank()).uuid) << "the only one it sees";
  EXPECT_EQ(different(taken(all_from(own_rank()))), ranks) << "each in an order of its own";
  std::vector<stand_in::Gpu> fewer = all_from(0);
  fewer.resize(fewer.size() - static_cast<std::size_t>(own_rank()));
  EXPECT_EQ(different(taken(fewer)), ranks) << "the last rank sees one, the first all";
}

TEST_F(GpuOfRank, is_the_first_where_it_sees_none) {
  stand_in::reset({});
  EXPECT_THAT(visible_gpus(), SizeIs(0));
  EXPECT_EQ(gpu_of_rank(world()), 0);
}

TEST_F(GpuOfRank, is_known_by_uuid_and_bus) {
  const GpuPlace place = current_gpu(world());
  EXPECT_EQ(place.host, world().host());
  EXPECT_EQ(place.bus_id, gpu(own_rank()).bus_id);
  EXPECT_EQ(visible_gpus(), std::vector<std::string>{place.uuid});
  EXPECT_EQ(different(place.uuid), static_cast<std::size_t>(world().size()));
  EXPECT_THAT(place.uuid, testing::MatchesRegex("GPU-75756964[0-9a-f]+")) << "'uuid' and a number";
}

/// The GPU that is taken before MPI starts where the launcher says `local_rank`.
std::optional<int> taken_early(const char* local_rank, const std::vector<stand_in::Gpu>& visible) {
  const test::ScopedVariable said("OMPI_COMM_WORLD_LOCAL_RANK", local_rank);
  const test::ScopedVariable step("SLURM_STEP_ID", nullptr);
  stand_in::reset(visible);
  const std::optional<int> taken = take_gpu_before_mpi();
  int current = -1;
  cudaGetDevice(&current);
  EXPECT_EQ(current, taken.value_or(0));
  return taken;
}

TEST_F(GpuOfRank, is_taken_early_where_there_is_no_doubt) {
  const std::vector<stand_in::Gpu> two{gpu(0), gpu(1)};
  EXPECT_EQ(taken_early("1", two), 1);
  EXPECT_EQ(taken_early("3", {gpu(0)}), 0) << "the only one";
  EXPECT_EQ(taken_early(nullptr, {gpu(0)}), 0);
  EXPECT_EQ(taken_early("2", two), std::nullopt) << "it will share one of them";
  EXPECT_EQ(taken_early(nullptr, two), std::nullopt);
  EXPECT_EQ(taken_early("1", {}), std::nullopt);
}

class MpiProbe : public test::StandIn {};

#ifdef MPIX_CUDA_AWARE_SUPPORT
constexpr bool can_claim = true;
#else
constexpr bool can_claim = false;  // this MPI library cannot be asked
#endif

TEST_F(MpiProbe, finds_that_sums_of_gpu_memory_are_right) {
  if (!can_claim) GTEST_SKIP() << "this MPI library says nothing of GPU memory";
  faults().mpi_takes_gpu_memory = true;
  EXPECT_TRUE(mpi_sums_gpu_memory(world()));
  const auto transport = connect(TransportKind::mpi);
  EXPECT_EQ(transport->name(), "mpi (CUDA-aware)");
  EXPECT_EQ(test::summed_behind(slow_stream(60), *transport), test::sums_over_ranks<float>());
}

TEST_F(MpiProbe, believes_no_library_whose_sums_do_not_get_to_the_gpu_of_one_rank) {
  faults().mpi_takes_gpu_memory = true;
  faults().gpu_memory_is_hidden = is_last_rank();
  const bool sums_with_others = world().size() > 1;
  EXPECT_EQ(mpi_sums_gpu_memory(world()), !sums_with_others && can_claim);
  if (!sums_with_others) return;
  EXPECT_EQ(connect(TransportKind::mpi)->name(), "mpi (staged)");
}

TEST_F(MpiProbe, tries_no_library_that_does_not_claim_it_on_every_rank) {
  EXPECT_FALSE(mpi_sums_gpu_memory(world()));
  faults().mpi_takes_gpu_memory = !is_last_rank();  // on none, where there is one
  EXPECT_FALSE(mpi_sums_gpu_memory(world()));
}

}  // namespace
}  // namespace harmofl
