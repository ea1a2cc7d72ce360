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
    EXPECT_THAT(error.what(), HasSubstr("--device.type cpu"));
    EXPECT_THAT(error.what(), HasSubstr(build_info().cuda ? "no GPU" : "without CUDA"));
  }
}

TEST(Device, is_the_gpu_at_the_ranks_position_on_its_host) {
  const GpuSurvey four{.built_with_cuda = true, .visible = 4, .has_driver = true};
  for (const int local_rank : {0, 1, 2, 3}) EXPECT_EQ(choose_gpu(four, local_rank), local_rank);
}

TEST(Device, is_shared_in_turn_by_ranks_in_excess) {
  const GpuSurvey two{.built_with_cuda = true, .visible = 2, .has_driver = true};
  EXPECT_EQ(choose_gpu(two, 2), 0);
  EXPECT_EQ(choose_gpu(two, 5), 1);
}

TEST(Device, is_the_only_visible_gpu_whatever_the_position_of_the_rank) {
  const GpuSurvey one{.built_with_cuda = true,
                      .visible = 1,
                      .has_driver = true,
                      .failure = "",
                      .visible_devices = "3"};
  for (const int local_rank : {0, 3, 7}) EXPECT_EQ(choose_gpu(one, local_rank), 0);
}

/// What is said when a GPU is asked for.
std::string refusal(const GpuSurvey& survey) {
  return test::user_error_of([&] { choose_gpu(survey, 0); });
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
