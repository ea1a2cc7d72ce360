#include "harmofl/model/device.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/version.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

TEST(Device, is_the_cpu_when_asked_for) {
  for (const int local_rank : {0, 3}) {
    const c10::Device device = select_device(DeviceType::cpu, local_rank);
    EXPECT_TRUE(device.is_cpu());
    EXPECT_EQ(describe(device), "cpu");
  }
}

TEST(Device, is_never_the_cpu_when_a_gpu_was_asked_for) {
  try {
    const c10::Device device = select_device(DeviceType::cuda, 0);
    EXPECT_TRUE(build_info().cuda);
    EXPECT_TRUE(device.is_cuda());
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("--device.type cpu"));
    EXPECT_THAT(error.what(), testing::HasSubstr(build_info().cuda ? "no GPU" : "without CUDA"));
  }
}

}  // namespace
}  // namespace harmofl
