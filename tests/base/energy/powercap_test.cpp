// SPDX-License-Identifier: Apache-2.0
// On folders as the kernel shows them: Documentation/power/powercap/powercap.rst.
#include "base/energy/powercap.hpp"

#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <fstream>

namespace harmofl {
namespace {

using test::error_of;

/// A folder of zones.
class Zones {
 public:
  void put(const std::string& zone, const std::string& file, const std::string& text) const {
    std::filesystem::create_directories(folder_ / zone);
    std::ofstream(folder_ / zone / file) << text << "\n";
  }
  void add(const std::string& zone, const std::string& name, std::int64_t counter,
           std::int64_t largest = 262'143'328'850) const {
    put(zone, "name", name);
    put(zone, "max_energy_range_uj", std::to_string(largest));
    set(zone, counter);
  }
  void set(const std::string& zone, std::int64_t counter) const {
    put(zone, "energy_uj", std::to_string(counter));
  }
  const std::filesystem::path& path() const { return folder_.path(); }

 private:
  test::TempFolder folder_;
};

TEST(Counted, goes_on_from_0_after_the_largest_number) {
  EXPECT_EQ(counted(0, 0, 100), 0);
  EXPECT_EQ(counted(10, 70, 100), 60);
  EXPECT_EQ(counted(90, 15, 100), 25);
  EXPECT_EQ(counted(100, 0, 100), 0);
  EXPECT_EQ(counted(1, 0, 100), 99);
}

TEST(Powercap, counts_joules_since_it_was_read_last) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 5'000'000);
  PowercapEnergy energy(zones.path());
  EXPECT_EQ(energy.name(), "package-0");
  EXPECT_DOUBLE_EQ(energy.joules(), 0.0);
  zones.set("intel-rapl:0", 7'250'000);
  EXPECT_DOUBLE_EQ(energy.joules(), 2.25);
  EXPECT_DOUBLE_EQ(energy.joules(), 0.0);
}

TEST(Powercap, counts_on_when_a_counter_has_gone_round) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 65'000'000'000, 65'532'610'987);
  PowercapEnergy energy(zones.path());
  zones.set("intel-rapl:0", 467'389'013);
  EXPECT_DOUBLE_EQ(energy.joules(), 1000.0);
}

TEST(Powercap, adds_packages_and_their_memory_but_nothing_twice) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 0);
  zones.add("intel-rapl:0:0", "core", 0);
  zones.add("intel-rapl:0:1", "dram", 0);
  zones.add("intel-rapl:10", "package-1", 0);
  zones.add("intel-rapl:10:0", "dram", 0);
  zones.add("intel-rapl:11", "psys", 0);
  zones.add("intel-rapl-mmio:0", "package-0", 0);
  PowercapEnergy energy(zones.path());
  EXPECT_EQ(energy.name(), "package-0, dram of package-0, package-1, dram of package-1");
  zones.set("intel-rapl:0", 1'000'000);
  zones.set("intel-rapl:0:0", 100'000'000);
  zones.set("intel-rapl:0:1", 20'000'000);
  zones.set("intel-rapl:10", 300'000'000);
  zones.set("intel-rapl:10:0", 4'000'000'000);
  zones.set("intel-rapl:11", 50'000'000'000);
  zones.set("intel-rapl-mmio:0", 60'000'000'000);
  EXPECT_DOUBLE_EQ(energy.joules(), 4321.0);
}

TEST(Powercap, is_read_before_1000_watts_have_gone_round_a_quarter) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 0, 262'143'328'850);
  zones.add("intel-rapl:1", "package-1", 0, 40'000'000'000);
  EXPECT_DOUBLE_EQ(PowercapEnergy(zones.path()).read_every_s(), 10.0);
}

TEST(Powercap, says_why_there_are_no_joules) {
  const Zones none;
  EXPECT_THAT(error_of<NoEnergy>([&] { PowercapEnergy(none.path()); }),
              testing::AllOf(testing::StartsWith(none.path().string() + " has no zone"),
                             testing::HasSubstr("virtual machine")));
  EXPECT_THAT(error_of<NoEnergy>([] { PowercapEnergy("/nowhere/at/all"); }),
              testing::HasSubstr("/nowhere/at/all has no zone"));
}

TEST(Powercap, refuses_a_part_of_the_counters) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 0);
  zones.add("intel-rapl:1", "package-1", 0);
  std::filesystem::remove(zones.path() / "intel-rapl:1" / "energy_uj");
  std::filesystem::create_directory(zones.path() / "intel-rapl:1" /
                                    "energy_uj");  // not even for root
  EXPECT_THAT(error_of<NoEnergy>([&] { PowercapEnergy(zones.path()); }),
              testing::AllOf(testing::HasSubstr("intel-rapl:1/energy_uj cannot be read"),
                             testing::HasSubstr("chmod a+r")));
}

TEST(Powercap, believes_no_file_that_is_not_a_counter) {
  for (const char* text : {"", "fast", "-1", "101", "1e3", "99999999999999999999"}) {
    const Zones zones;
    zones.add("intel-rapl:0", "package-0", 0, 100);
    zones.put("intel-rapl:0", "energy_uj", text);
    EXPECT_THAT(error_of<NoEnergy>([&] { PowercapEnergy(zones.path()); }),
                testing::HasSubstr("energy_uj holds '"))
        << text;
  }
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 0, 0);
  EXPECT_THAT(error_of<NoEnergy>([&] { PowercapEnergy(zones.path()); }),
              testing::HasSubstr("max_energy_range_uj holds '0'"));
}

TEST(Powercap, says_it_when_a_counter_goes_away) {
  const Zones zones;
  zones.add("intel-rapl:0", "package-0", 0);
  PowercapEnergy energy(zones.path());
  std::filesystem::remove(zones.path() / "intel-rapl:0" / "energy_uj");
  EXPECT_THAT(error_of<NoEnergy>([&] { energy.joules(); }),
              testing::HasSubstr("No such file or directory"));
}

}  // namespace
}  // namespace harmofl
