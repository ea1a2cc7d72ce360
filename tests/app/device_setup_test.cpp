// SPDX-License-Identifier: Apache-2.0
#include "app/device_setup.hpp"

#include "support/errors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

namespace harmofl {
namespace {

using testing::HasSubstr;

DeviceWish wish_of(const std::vector<std::string>& arguments) {
  boost::program_options::options_description options("Options");
  add_device_options(options);
  return device_wish(parse_command("evaluate", arguments, options));
}

TEST(DeviceOptions, of_commands_are_the_keys_of_a_run) {
  const DeviceWish none = wish_of({});
  EXPECT_EQ(none.type, DeviceType::cpu);
  EXPECT_FALSE(none.deterministic);
  EXPECT_EQ(none.precision, std::nullopt);
  const DeviceWish all = wish_of(
      {"--device.type", "cuda", "--device.precision", "bf16", "--device.deterministic", "true"});
  EXPECT_EQ(all.type, DeviceType::cuda);
  EXPECT_TRUE(all.deterministic);
  EXPECT_EQ(all.precision, Precision::bf16);
}

TEST(DeviceOptions, refuse_values_as_the_keys_do) {
  EXPECT_THAT(test::error_of<UsageError>([] { wish_of({"--device.type", "gpu"}); }),
              testing::AllOf(HasSubstr("device.type = gpu"), HasSubstr("cuda")));
  EXPECT_THAT(test::error_of<UsageError>([] { wish_of({"--device.precision", "fp16"}); }),
              HasSubstr("device.precision = fp16"));
  EXPECT_THAT(test::error_of<UsageError>([] { wish_of({"--device.graphs", "true"}); }),
              HasSubstr("device.graphs"));
}

TEST(OpenDevice, refuses_what_the_device_cannot_do) {
  const Communicator& world = test::world();
  EXPECT_TRUE(open_device({}, world).is_cpu());
  EXPECT_TRUE(open_device({DeviceType::cpu, true, Precision::bf16}, world).is_cpu());
  EXPECT_THAT(
      test::user_error_of([&] { open_device({DeviceType::cpu, false, Precision::tf32}, world); }),
      HasSubstr("device.precision = tf32"));
}

TEST(SampleBudgetOfARun, is_none_on_the_cpu) {
  EXPECT_EQ(open_sample_budget({}, {}, torch::kCPU, test::world()), nullptr);
}

TEST(SampleBudgetOfARun, is_shared_by_the_ranks_of_one_gpu) {
  const std::vector<std::string> uuids{"GPU-a", "GPU-b", "MIG-a", "GPU-a", "GPU-a"};
  EXPECT_EQ(ranks_sharing(uuids, 0), 3);
  EXPECT_EQ(ranks_sharing(uuids, 1), 1);
  EXPECT_EQ(ranks_sharing(uuids, 2), 1) << "a slice of its own";
  EXPECT_EQ(ranks_sharing(uuids, 4), 3);
}

}  // namespace
}  // namespace harmofl
