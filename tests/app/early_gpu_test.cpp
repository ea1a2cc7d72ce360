// SPDX-License-Identifier: Apache-2.0
#include "app/early_gpu.hpp"

#include "support/temp_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace harmofl {
namespace {

TEST(EarlyGpu, is_for_training_that_asks_for_one) {
  EXPECT_TRUE(computes_on_gpus({"train", "--device.type", "cuda"}));
  EXPECT_TRUE(computes_on_gpus({"train", "--train.lr=0.1", "--device.type=cuda"}));
  EXPECT_FALSE(computes_on_gpus({"train", "--device.type", "cpu"}));
  EXPECT_FALSE(computes_on_gpus({"train"}));
  EXPECT_FALSE(computes_on_gpus({"inspect", "--device.type", "cuda"}));
  EXPECT_FALSE(computes_on_gpus({}));
}

TEST(EarlyGpu, is_for_a_configuration_file_that_asks_for_one) {
  const test::TempFolder folder;
  const std::string file = (folder.path() / "run.ini").string();
  std::ofstream(file) << "[device]\ntype = cuda\n";
  EXPECT_TRUE(computes_on_gpus({"train", "--config", file}));
  EXPECT_FALSE(computes_on_gpus({"train", "--config", file, "--device.type", "cpu"}));
}

TEST(EarlyGpu, leaves_errors_to_the_command) {
  EXPECT_FALSE(computes_on_gpus({"train", "--device.type", "cuda", "--no.such.key", "1"}));
  EXPECT_FALSE(computes_on_gpus({"train", "--device.type", "cuda", "--config", "nowhere.ini"}));
  EXPECT_FALSE(computes_on_gpus({"train", "--help"}));
}

}  // namespace
}  // namespace harmofl
