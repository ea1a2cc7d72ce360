// SPDX-License-Identifier: Apache-2.0
// NCCL between ranks, also where there is one GPU for all of them: each sets an NCCL_HOSTID of its
// own, so that NCCL takes them for ranks of different hosts, and what works within a host is off.
#include "comm/transport.hpp"
#include "cuda/gpu_fixture.hpp"
#include "fl/aggregate/aggregator.hpp"
#include "model/tensors.hpp"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gmock/gmock.h>

#include <cstdlib>

namespace harmofl {
namespace {

using test::world;

constexpr MessageLayout layout{100'000, 500, 20};

class Nccl : public test::GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    setenv("NCCL_HOSTID", ("rank" + std::to_string(world().rank().value())).c_str(), 1);
    setenv("NCCL_SHM_DISABLE", "1", 1);
    setenv("NCCL_P2P_DISABLE", "1", 1);
  }

  /// The sum of `states`, which differ by rank, over all ranks.
  torch::Tensor sum_by(TransportKind kind, Reduction reduction) const {
    const auto transport = make_transport(kind, world(), /*gpu=*/true);
    EXPECT_EQ(transport->name() == "nccl", kind == TransportKind::nccl);
    Aggregator aggregator(*transport, reduction);
    aggregator.begin(layout, gpu);
    torch::manual_seed(static_cast<std::uint64_t>(10 + world().rank().value()));
    for (int client = 0; client < 2; ++client) {
      aggregator.add(torch::randn({layout.length()}).to(gpu),
                     0.5 / static_cast<double>(world().size()), "client");
    }
    return aggregator.reduce().cpu();
  }
};

TEST_F(Nccl, sums_exactly_to_the_bits_of_mpi) {
  EXPECT_TRUE(test::same_bits(sum_by(TransportKind::nccl, Reduction::exact),
                              sum_by(TransportKind::mpi, Reduction::exact)));
}

TEST_F(Nccl, sums_fast_to_what_mpi_gives) {
  constexpr double tolerance = 1e-6;  ///< Relative: float32 sums in another order.
  EXPECT_LT(test::relative_error(sum_by(TransportKind::nccl, Reduction::fast),
                                 sum_by(TransportKind::mpi, Reduction::fast)),
            tolerance);
}

TEST_F(Nccl, waits_for_what_fills_a_buffer_on_another_stream) {
  constexpr std::int64_t side = 1024;
  const auto transport = make_transport(TransportKind::nccl, world(), /*gpu=*/true);
  const c10::cuda::CUDAStreamGuard guard(
      c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index()));
  torch::Tensor buffer = torch::zeros({side}, gpu);
  // Long work ahead of what fills the buffer: a sum that did not wait would find zeros in it.
  torch::Tensor mean = torch::full({side, side}, 1.0 / static_cast<double>(side), gpu);
  for (int i = 0; i < 200; ++i) mean = mean.matmul(mean);
  buffer.copy_(mean.sum(0));  // ones
  transport->all_reduce_sum(std::span(buffer.data_ptr<float>(), side), current_stream(gpu));
  const torch::Tensor expected = torch::full({side}, static_cast<double>(world().size()));
  EXPECT_LT(test::distance(buffer.cpu(), expected), 1e-2);
}

// Without host ids of their own NCCL would refuse the ranks of one GPU: they sum in host memory
// first.
TEST_F(Nccl, sums_what_ranks_that_share_a_gpu_have_summed_before) {
  unsetenv("NCCL_HOSTID");
  const bool shared = world().size() > 1 && survey_gpus().visible < world().size();
  if (!shared) GTEST_SKIP() << "no two ranks share a GPU here";
  EXPECT_TRUE(test::same_bits(sum_by(TransportKind::nccl, Reduction::exact),
                              sum_by(TransportKind::mpi, Reduction::exact)));
}

}  // namespace
}  // namespace harmofl
