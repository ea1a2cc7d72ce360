// SPDX-License-Identifier: Apache-2.0
// Who counts how much of counters that several ranks read.
#include "fl/run/run_energy.hpp"

#include "support/temp_folder.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace harmofl {
namespace {

using test::world;

void write_zone(const std::filesystem::path& folder, std::int64_t counter) {
  const std::filesystem::path zone = folder / "intel-rapl:0";
  std::filesystem::create_directories(zone);
  std::ofstream(zone / "name") << "package-0\n";
  std::ofstream(zone / "max_energy_range_uj") << 1'000'000'000'000 << "\n";
  std::ofstream(zone / "energy_uj") << counter << "\n";
}

TEST(RunEnergy, is_counted_once_by_all_ranks_of_a_host_together) {
  const test::TempFolder folder;  // each rank's own, and the counters in them alike
  write_zone(folder.path(), 0);
  RunEnergy energy(world(), "", {.powercap = folder.path()});
  ASSERT_NE(energy.meter(), nullptr);
  EXPECT_THAT(energy.counters(), testing::ElementsAre(testing::Pair("cpu", "package-0")));
  EXPECT_TRUE(energy.missing().empty());
  write_zone(folder.path(), 360'000'000);
  double used = energy.meter()->take().at("cpu/other");
  EXPECT_DOUBLE_EQ(used, 360.0 / static_cast<double>(world().size()));
  world().all_reduce_sum(std::span(&used, 1));
  EXPECT_NEAR(used, 360.0, 1e-9);
}

TEST(RunEnergy, is_not_available_on_any_rank_where_one_cannot_read_it) {
  const test::TempFolder folder;
  const std::int64_t last = world().size() - 1;
  if (world().rank().value() != last) write_zone(folder.path(), 0);
  RunEnergy energy(world(), "", {.powercap = folder.path()});
  EXPECT_EQ(energy.meter(), nullptr);
  EXPECT_TRUE(energy.counters().empty());
  EXPECT_THAT(energy.missing().at("cpu"), testing::HasSubstr("has no zone intel-rapl:"));
  if (last > 0) {
    EXPECT_THAT(energy.missing().at("cpu"), testing::StartsWith(concat("rank ", last, ": ")));
  }
}

TEST(RunEnergy, says_of_a_gpu_why_it_is_not_available) {
  const test::TempFolder folder;
  write_zone(folder.path(), 0);
  RunEnergy energy(world(), "GPU-00112233445566778899aabbccddeeff",
                   {.powercap = folder.path(), .nvml = "libno-such-thing.so.1"});
  EXPECT_NE(energy.meter(), nullptr);
  EXPECT_THAT(energy.missing().at("gpu"), testing::HasSubstr("libno-such-thing.so.1"));
  EXPECT_FALSE(energy.missing().contains("cpu"));
}

}  // namespace
}  // namespace harmofl
