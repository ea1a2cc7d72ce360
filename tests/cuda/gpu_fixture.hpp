// SPDX-License-Identifier: Apache-2.0
/// Tests that need a GPU.
#pragma once

#include "fl/run/rank_device.hpp"
#include "harmofl/base/error.hpp"
#include "support/world.hpp"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>

namespace harmofl::test {

/// Gives every test this rank's GPU, or skips it with the reason why there is none.
class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    try {
      gpu = device_of_rank(DeviceType::cuda, world());
    } catch (const UserError& error) {
      GTEST_SKIP() << "no usable GPU: " << error.what();
    }
  }

  torch::Device gpu = torch::kCPU;
};

/// ||a - b|| / ||b||, in float64 on the CPU.
inline double relative_error(const torch::Tensor& a, const torch::Tensor& b) {
  const torch::Tensor expected = b.cpu().to(torch::kFloat64);
  return ((a.cpu().to(torch::kFloat64) - expected).norm() / expected.norm()).item<double>();
}

}  // namespace harmofl::test
