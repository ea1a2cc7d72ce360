// SPDX-License-Identifier: Apache-2.0
#include "base/process/memory.hpp"

#include "support/temp_folder.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace harmofl {
namespace {

class ControlGroupMemory : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((mount() / file).parent_path());
    std::ofstream(mount() / file) << text;
  }
  const std::filesystem::path& mount() const { return folder_.path(); }

 private:
  test::TempFolder folder_;
};

TEST_F(ControlGroupMemory, is_the_lowest_limit_on_the_way_up) {
  write("memory.max", "max\n");
  write("system.slice/memory.max", "9000\n");
  write("system.slice/job_7/memory.max", "4000\n");
  write("system.slice/job_7/step_0/memory.max", "5000\n");
  write("system.slice/job_8/memory.max", "1\n");
  EXPECT_EQ(control_group_memory("0::/system.slice/job_7/step_0\n", mount()), 4000);
}

TEST_F(ControlGroupMemory, is_that_of_the_mount_itself_in_a_container) {
  write("memory.max", "123456789012\n");
  EXPECT_EQ(control_group_memory("0::/\n", mount()), 123456789012);
}

TEST_F(ControlGroupMemory, of_version_1_is_the_resources_own) {
  write("memory/slurm/job_7/memory.limit_in_bytes", "8000\n");
  write("memory/memory.limit_in_bytes", "9223372036854771712\n");
  write("cpu/slurm/job_7/memory.limit_in_bytes", "1\n");
  EXPECT_EQ(control_group_memory("3:cpu,cpuacct:/slurm/job_7\n4:memory:/slurm/job_7\n", mount()),
            8000);
}

TEST_F(ControlGroupMemory, is_none_without_a_limit) {
  write("memory.max", "max\n");
  EXPECT_EQ(control_group_memory("0::/a\n", mount()), std::nullopt);
  EXPECT_EQ(control_group_memory("", mount()), std::nullopt);
  EXPECT_EQ(control_group_memory("nonsense\n", mount()), std::nullopt);
}

TEST(MachineMemory, is_more_than_this_process_holds) {
  EXPECT_GT(machine_memory_bytes(), peak_memory_bytes());
}

}  // namespace
}  // namespace harmofl
