// SPDX-License-Identifier: Apache-2.0
// The devices of a run, from a table and from distributions.
#include "fl/fleet/fleet.hpp"

#include "harmofl/base/text.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>
#include <map>

namespace harmofl {
namespace {

using testing::HasSubstr;

constexpr double infinity = std::numeric_limits<double>::infinity();
const std::vector<std::string> three{"a", "b", "c"};

std::vector<std::string> names(int count) {
  std::vector<std::string> list;
  for (int i = 0; i < count; ++i) list.push_back(concat("client", i));
  return list;
}

/// The fleet of clients a, b and c from the text of a table.
Fleet from_table(const std::string& text, const FleetOptions& options = {}) {
  return {options, three, 1, parse_fleet_table(text, "devices.csv")};
}

std::string table_error(const std::string& text, const FleetOptions& options = {}) {
  return test::user_error_of([&] { from_table(text, options); });
}

std::string option_error(const FleetOptions& options) {
  return test::user_error_of([&] { Fleet(options, three, 1); });
}

void expect_profile(const DeviceProfile& device, double speed, double bandwidth_mbit_s,
                    double latency_s, double availability) {
  EXPECT_EQ(device.speed, speed);
  EXPECT_EQ(device.bandwidth_mbit_s, bandwidth_mbit_s);
  EXPECT_EQ(device.latency_s, latency_s);
  EXPECT_EQ(device.availability, availability);
}

/// Speeds of many clients.
std::vector<double> speeds(const std::string& distribution, int count, std::uint64_t seed = 1) {
  const Fleet fleet({.speed = distribution}, names(count), seed);
  std::vector<double> values;
  for (ClientId id{0}; id.value() < count; ++id) values.push_back(fleet[id].speed);
  return values;
}

TEST(Fleet, of_no_options_has_devices_that_cost_nothing) {
  const Fleet fleet({}, three, 1);
  ASSERT_EQ(fleet.size(), 3);
  for (ClientId id{0}; id.value() < 3; ++id) expect_profile(fleet[id], 1.0, infinity, 0.0, 1.0);
}

TEST(Fleet, is_active_when_anything_is_set) {
  EXPECT_FALSE(FleetOptions{}.active());
  EXPECT_TRUE(FleetOptions{.table = "x.csv"}.active());
  EXPECT_TRUE(FleetOptions{.latency = "0"}.active());
  EXPECT_TRUE(FleetOptions{.availability = "0.9"}.active());
  EXPECT_TRUE(FleetOptions{.sample_time_s = 0.1}.active());
  EXPECT_TRUE(FleetOptions{.deadline_s = 1}.active());
  EXPECT_TRUE(FleetOptions{.drop_before = 0.1}.active());
  EXPECT_TRUE(FleetOptions{.drop_after = 0.1}.active());
}

TEST(Fleet, takes_constants) {
  const Fleet fleet({.speed = "2", .bandwidth = "const:50", .latency = "0.25", .availability = "0"},
                    three, 1);
  for (ClientId id{0}; id.value() < 3; ++id) expect_profile(fleet[id], 2.0, 50.0, 0.25, 0.0);
}

TEST(Fleet, draws_uniform_numbers) {
  constexpr int count = 4000;
  double sum = 0.0;
  for (const double speed : speeds("uniform:0.5, 2", count)) {
    EXPECT_GE(speed, 0.5);
    EXPECT_LT(speed, 2.0);
    sum += speed;
  }
  EXPECT_NEAR(sum / count, 1.25, 5.0 * 1.5 / std::sqrt(12.0 * count));
}

TEST(Fleet, draws_numbers_whose_logarithm_is_normal) {
  constexpr int count = 4000;
  double sum = 0.0, squares = 0.0;
  for (const double speed : speeds("lognormal:0.3,0.5", count)) {
    const double normal = (std::log(speed) - 0.3) / 0.5;
    sum += normal;
    squares += normal * normal;
  }
  EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1.0, 5.0 * std::sqrt(2.0 / count));
}

TEST(Fleet, draws_finite_speeds_above_zero_from_any_lognormal) {
  for (const double speed : speeds("lognormal:0,1000", 100)) {
    EXPECT_GT(speed, 0.0);
    EXPECT_LT(speed, infinity);
  }
}

TEST(Fleet, draws_choices_alike) {
  constexpr int count = 6000;
  std::map<double, int> seen;
  for (const double speed : speeds("choice:1,0.5,0.1", count)) ++seen[speed];
  ASSERT_EQ(seen.size(), 3U);
  for (const auto& [speed, times] : seen) {
    EXPECT_NEAR(times, count / 3.0, 5.0 * std::sqrt(count * 2.0 / 9.0)) << speed;
  }
}

TEST(Fleet, draws_by_seed_and_client) {
  EXPECT_EQ(speeds("uniform:1,2", 20), speeds("uniform:1,2", 20));
  EXPECT_NE(speeds("uniform:1,2", 20), speeds("uniform:1,2", 20, 2));
  const auto few = speeds("uniform:1,2", 5);
  const auto more = speeds("uniform:1,2", 20);
  EXPECT_EQ(few, std::vector(more.begin(), more.begin() + 5));
}

TEST(Fleet, draws_each_property_apart) {
  const Fleet one({.latency = "uniform:0,1"}, three, 1);
  const Fleet both({.speed = "uniform:1,2", .latency = "uniform:0,1"}, three, 1);
  for (ClientId id{0}; id.value() < 3; ++id) {
    EXPECT_EQ(one[id].latency_s, both[id].latency_s);
    EXPECT_NE(both[id].speed - 1.0, both[id].latency_s);
  }
}

TEST(FleetTable, may_name_its_columns_in_any_order) {
  const Fleet fleet = from_table(
      "availability,client,latency_s,speed,bandwidth_mbit_s\n"
      "0.5,b,0.1,2,100\n1,a,0,0.25,inf\n0,c,3,1e3,0.5\n");
  expect_profile(fleet[ClientId{0}], 0.25, infinity, 0.0, 1.0);
  expect_profile(fleet[ClientId{1}], 2.0, 100.0, 0.1, 0.5);
  expect_profile(fleet[ClientId{2}], 1000.0, 0.5, 3.0, 0.0);
}

TEST(FleetTable, leaves_what_it_does_not_say_to_the_distributions) {
  const FleetOptions options{.speed = "3", .latency = "0.5"};
  const Fleet fleet = from_table("client,speed,bandwidth_mbit_s\na,,10\nb,2,\n", options);
  expect_profile(fleet[ClientId{0}], 3.0, 10.0, 0.5, 1.0);
  expect_profile(fleet[ClientId{1}], 2.0, infinity, 0.5, 1.0);
  expect_profile(fleet[ClientId{2}], 3.0, infinity, 0.5, 1.0);
}

TEST(FleetTable, must_have_all_clients_when_there_is_no_distribution) {
  EXPECT_THAT(table_error("client,speed\na,1\nc,1\n"),
              HasSubstr("devices.csv: client 'b' has no line, and no distribution"));
}

TEST(FleetTable, of_the_wrong_columns_is_refused) {
  EXPECT_THAT(table_error("client,sped\na,1\n"),
              HasSubstr("devices.csv:1: the column 'sped' is unknown. Did you mean 'speed'?"));
  EXPECT_THAT(table_error("speed\n1\n"), HasSubstr("devices.csv:1: there is no column 'client'"));
  EXPECT_THAT(table_error("client,speed,speed\na,1,1\n"), HasSubstr("'speed' stands there twice"));
  EXPECT_THAT(table_error(""), HasSubstr("devices.csv: the list is empty"));
}

TEST(FleetTable, of_the_wrong_clients_is_refused) {
  EXPECT_THAT(table_error("client\na\nB\nc\n"),
              HasSubstr("devices.csv:3: client 'B' is none of this run's. Did you mean"));
  EXPECT_THAT(table_error("client\na\nb\nc\nb\n"),
              HasSubstr("devices.csv:5: client 'b' already stands in line 3"));
}

TEST(FleetTable, of_values_out_of_range_is_refused) {
  const auto refuse = [](const std::string& column, const std::string& value) {
    EXPECT_THAT(table_error("client," + column + "\na,1\n\nb," + value + "\nc,1\n"),
                testing::AllOf(HasSubstr("devices.csv:4: " + column + " = " + value + " is not "),
                               HasSubstr("Correct it")));
  };
  for (const char* value : {"0", "-1", "inf", "nan", "fast", "1x", "1 2"}) refuse("speed", value);
  for (const char* value : {"0", "-1", "nan"}) refuse("bandwidth_mbit_s", value);
  for (const char* value : {"-0.1", "inf", "nan"}) refuse("latency_s", value);
  for (const char* value : {"-0.1", "1.1", "nan"}) refuse("availability", value);
}

TEST(FleetTable, is_read_from_a_file) {
  const test::TempFolder folder;
  const auto path = folder.path() / "devices.csv";
  std::ofstream(path) << "client,speed\na,1\nb,2\nc,3\n";
  const Fleet fleet({.table = path}, three, 1);
  EXPECT_EQ(fleet[ClientId{1}].speed, 2.0);
  EXPECT_THAT(option_error({.table = folder.path() / "none.csv"}),
              HasSubstr("none.csv: cannot be read (there is no such file)"));
  std::ofstream(path) << "client,speed\na,1\nb,0\nc,3\n";
  EXPECT_THAT(option_error({.table = path}), HasSubstr("devices.csv:3: speed = 0 is not"));
}

TEST(FleetTable, gives_the_same_fleet_when_it_is_written_and_read) {
  const std::vector<std::string> odd{"plain", "with, comma", "with \"quote\""};
  const Fleet fleet({.speed = "lognormal:0,2",
                     .bandwidth = "choice:inf,0.1",
                     .latency = "uniform:0,0.3",
                     .availability = "uniform:0.1,1"},
                    odd, 5);
  const std::string csv = fleet.to_csv();
  const Fleet again({}, odd, 99, parse_fleet_table(csv, "fleet.csv"));
  EXPECT_EQ(again.to_csv(), csv);
  for (ClientId id{0}; id.value() < 3; ++id) {
    const DeviceProfile& device = fleet[id];
    expect_profile(again[id], device.speed, device.bandwidth_mbit_s, device.latency_s,
                   device.availability);
  }
}

TEST(FleetOptions, of_no_known_distribution_are_refused_by_key_and_value) {
  EXPECT_THAT(option_error({.speed = "lognorm:0,1"}),
              testing::AllOf(HasSubstr("fleet.speed = lognorm:0,1: the distribution 'lognorm' is "
                                       "unknown. Did you mean 'lognormal'?"),
                             HasSubstr("Write a number, const:C, uniform:LOW,HIGH")));
  EXPECT_THAT(option_error({.speed = "fast"}),
              HasSubstr("fleet.speed = fast: 'fast' is not a number"));
  EXPECT_THAT(option_error({.latency = "choice:"}), HasSubstr("'' is not a number"));
  EXPECT_THAT(option_error({.latency = "choice:1,,2"}), HasSubstr("'' is not a number"));
  EXPECT_THAT(option_error({.speed = "const:1,2"}), HasSubstr("const takes one number, not 2"));
  EXPECT_THAT(option_error({.speed = "1,2"}), HasSubstr("const takes one number, not 2"));
  EXPECT_THAT(option_error({.speed = "uniform:1"}), HasSubstr("uniform takes two numbers, not 1"));
  EXPECT_THAT(option_error({.speed = "uniform:2,1"}), HasSubstr("the lower one first"));
  EXPECT_THAT(option_error({.bandwidth = "uniform:1,inf"}), HasSubstr("must be finite"));
  EXPECT_THAT(option_error({.speed = "lognormal:0,-1"}), HasSubstr("the deviation not negative"));
}

TEST(FleetOptions, that_could_draw_what_is_out_of_range_are_refused) {
  EXPECT_THAT(option_error({.speed = "0"}),
              HasSubstr("fleet.speed = 0: 0 is not a number above 0"));
  EXPECT_THAT(option_error({.speed = "choice:1,-1"}), HasSubstr("-1 is not a number above 0"));
  EXPECT_THAT(option_error({.latency = "uniform:-1,1"}), HasSubstr("-1 is not"));
  EXPECT_THAT(option_error({.availability = "uniform:0.5,1.5"}),
              HasSubstr("fleet.availability = uniform:0.5,1.5: 1.5 is not a number from 0 to 1"));
  EXPECT_THAT(option_error({.availability = "lognormal:0,0.1"}), HasSubstr("may draw a number"));
}

TEST(FleetOptions, of_numbers_out_of_range_are_refused_by_key_and_value) {
  EXPECT_THAT(option_error({.sample_time_s = -1}), HasSubstr("fleet.sample_time = -1 is not"));
  EXPECT_THAT(option_error({.deadline_s = -2}), HasSubstr("fleet.deadline = -2 is not"));
  EXPECT_THAT(option_error({.deadline_s = infinity}), HasSubstr("fleet.deadline = inf is not"));
  EXPECT_THAT(option_error({.drop_before = 1.5}), HasSubstr("fleet.drop_before = 1.5 is not"));
  EXPECT_THAT(option_error({.drop_after = std::nan("")}), HasSubstr("fleet.drop_after = nan"));
}

}  // namespace
}  // namespace harmofl
