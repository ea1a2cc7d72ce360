// SPDX-License-Identifier: Apache-2.0
#include "model/device/device.hpp"

#include "base/version.hpp"
#include "harmofl/base/error.hpp"
#include "support/errors.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(Device, is_the_cpu_when_asked_for) {
  for (const int gpu : {0, 3}) {
    const c10::Device device = select_device(DeviceType::cpu, gpu);
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
    EXPECT_THAT(error.what(), HasSubstr("--device.type cpu"));
    EXPECT_THAT(error.what(), HasSubstr(build_info().cuda ? "no GPU" : "without CUDA"));
  }
}

/// What is said when a GPU is asked for.
std::string refusal(const GpuSurvey& survey) {
  return test::user_error_of([&] { check_gpus(survey); });
}

TEST(Device, is_a_gpu_where_one_is_visible) {
  EXPECT_NO_THROW(check_gpus({.built_with_cuda = true, .visible = 1, .has_driver = true}));
}

TEST(Device, says_why_there_is_no_usable_gpu) {
  EXPECT_THAT(refusal({}), HasSubstr("built without CUDA"));

  const std::string no_driver = refusal({.built_with_cuda = true, .failure = "too old"});
  EXPECT_THAT(no_driver, AllOf(HasSubstr("no usable NVIDIA driver"), HasSubstr("too old")));

  GpuSurvey hidden{.built_with_cuda = true, .has_driver = true, .failure = "no device"};
  hidden.visible_devices = "";
  EXPECT_THAT(refusal(hidden), HasSubstr("CUDA_VISIBLE_DEVICES = ''"));
  hidden.visible_devices = "-1";
  EXPECT_THAT(refusal(hidden), HasSubstr("CUDA_VISIBLE_DEVICES = '-1'"));

  const GpuSurvey none{.built_with_cuda = true, .has_driver = true, .failure = "no device"};
  EXPECT_THAT(refusal(none), AllOf(HasSubstr("the driver finds none"), HasSubstr("no device"),
                                   Not(HasSubstr("CUDA_VISIBLE_DEVICES"))));
  for (const GpuSurvey& survey : {GpuSurvey{}, hidden, none}) {
    EXPECT_THAT(refusal(survey), HasSubstr("--device.type cpu"));
  }
}

TEST(Device, has_no_stream_on_the_cpu) {
  EXPECT_EQ(current_stream(c10::Device(c10::kCPU)), nullptr);
}

}  // namespace
}  // namespace harmofl
