// SPDX-License-Identifier: Apache-2.0
// The GPU as a device, and sums of what lies on it by one rank.
#include "base/range.hpp"
#include "comm/gpu/gpu.hpp"
#include "comm/transport.hpp"
#include "cuda/gpu_fixture.hpp"
#include "fl/aggregate/aggregator.hpp"
#include "model/device/device_memory.hpp"
#include "model/device/nvtx.hpp"
#include "model/tensors.hpp"

#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>
#include <gmock/gmock.h>

#include <set>

namespace harmofl {
namespace {

using test::world;
using testing::HasSubstr;

class DeviceOnGpu : public test::GpuTest {};
class AggregatorOnGpu : public test::GpuTest {};

TEST_F(DeviceOnGpu, becomes_the_current_one) {
  for (int index = 0; index < survey_gpus().visible; ++index) {
    const torch::Device device = select_device(DeviceType::cuda, index);
    EXPECT_EQ(device.index(), index);
    EXPECT_EQ(c10::cuda::current_device(), index);
  }
}

TEST_F(DeviceOnGpu, has_a_uuid_of_its_own_by_the_index_of_the_process) {
  const std::vector<std::string> uuids = visible_gpus();
  EXPECT_EQ(std::ssize(uuids), survey_gpus().visible);
  EXPECT_EQ(std::set<std::string>(uuids.begin(), uuids.end()).size(), uuids.size());
  EXPECT_EQ(current_gpu(world()).uuid, uuids.at(static_cast<std::size_t>(gpu.index())));
}

TEST_F(DeviceOnGpu, is_described_by_name_pci_id_and_memory) {
  const std::string text = describe(gpu);
  EXPECT_THAT(text, HasSubstr(gpu.str()));
  EXPECT_THAT(text, testing::ContainsRegex("[0-9A-Fa-f]+:[0-9A-Fa-f]+:[0-9A-Fa-f]+\\.0"));
  EXPECT_THAT(text, HasSubstr("GiB"));
}

TEST_F(DeviceOnGpu, tells_the_stream_that_libtorch_works_on) {
  const auto side = c10::cuda::getStreamFromPool(/*isHighPriority=*/false, gpu.index());
  const c10::cuda::CUDAStreamGuard guard(side);
  EXPECT_EQ(current_stream(gpu), static_cast<void*>(side.stream()));
}

TEST_F(DeviceOnGpu, has_a_peak_of_memory_that_starts_anew) {
  constexpr std::int64_t bytes = std::int64_t{64} << 20;
  restart_gpu_peak(gpu);
  const std::int64_t before = peak_gpu_bytes();
  {
    const torch::Tensor large =
        torch::empty({bytes}, torch::TensorOptions(torch::kUInt8).device(gpu));
  }
  EXPECT_GE(peak_gpu_bytes(), before + bytes);
  restart_gpu_peak(gpu);
  EXPECT_LT(peak_gpu_bytes(), before + bytes);
  EXPECT_GT(free_gpu_bytes(gpu), 0);
}

TEST_F(DeviceOnGpu, has_its_ranges_told_to_nvtx) {
  show_ranges(gpu);
  {
    const Range outer("outer");
    const Range inner("inner");
  }
  set_range_hooks(RangeListener::nsight, {});
}

/// The weighted sum of three states on `device`, by one rank through host memory.
torch::Tensor sum_of(const std::vector<torch::Tensor>& states, Reduction reduction,
                     torch::Device device) {
  const Communicator serial = Communicator::serial();
  const auto transport = make_transport(TransportKind::mpi, serial, device.is_cuda());
  Aggregator aggregator(*transport, reduction);
  aggregator.begin({900, 80, 20}, device);
  const double weights[] = {0.2, 0.35, 0.45};
  for (std::size_t i = 0; i < states.size(); ++i) {
    aggregator.add(states[i].to(device), weights[i], "client");
  }
  return aggregator.reduce().cpu();
}

std::vector<torch::Tensor> random_states() {
  torch::manual_seed(3);
  return {torch::randn({1000}), 10 * torch::randn({1000}), 1e-3 * torch::randn({1000})};
}

TEST_F(AggregatorOnGpu, sums_exactly_to_the_bits_of_the_cpu) {
  const auto states = random_states();
  EXPECT_TRUE(test::same_bits(sum_of(states, Reduction::exact, gpu),
                              sum_of(states, Reduction::exact, torch::kCPU)));
}

TEST_F(AggregatorOnGpu, sums_fast_to_what_the_cpu_gives) {
  constexpr double tolerance = 1e-6;  ///< Relative; float32 products and sums may be fused.
  const auto states = random_states();
  EXPECT_LT(test::relative_error(sum_of(states, Reduction::fast, gpu),
                                 sum_of(states, Reduction::fast, torch::kCPU)),
            tolerance);
}

}  // namespace
}  // namespace harmofl
