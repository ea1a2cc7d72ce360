// SPDX-License-Identifier: Apache-2.0
#include "fl/clients/site_data.hpp"

#include "support/errors.hpp"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const std::vector<SiteData> two_sites{{"north", {8, 2, 3}, {"a1", "a2", "a3"}, 255.0},
                                      {"south", {5, 1, 1}, {"b1", "b2", "b3"}, 1.0}};

std::vector<std::string> changes_by(const std::function<void(std::vector<SiteData>&)>& change) {
  std::vector<SiteData> now = two_sites;
  change(now);
  return data_changes(two_sites, now);
}

TEST(SiteData, is_the_same_as_itself) {
  EXPECT_THAT(changes_by([](auto&) {}), IsEmpty());
}

TEST(SiteData, differs_where_a_site_is_missing_or_new) {
  EXPECT_THAT(changes_by([](auto& now) { now.erase(now.begin()); }),
              ElementsAre("north is missing"));
  EXPECT_THAT(changes_by([](auto& now) { now[1].site = "west"; }),
              ElementsAre("south is missing", "west is new"));
}

TEST(SiteData, differs_where_a_split_has_more_or_fewer_samples) {
  EXPECT_THAT(changes_by([](auto& now) {
                now[0].counts = {8, 1, 4};
                now[0].checksums = {"a1", "x", "y"};
              }),
              ElementsAre("north has 1 val samples, not 2", "north has 4 test samples, not 3"));
}

TEST(SiteData, differs_where_samples_are_others) {
  EXPECT_THAT(changes_by([](auto& now) { now[1].checksums[0] = "c1"; }),
              ElementsAre("south has other train samples (checksum c1, not b1)"));
}

TEST(SiteData, differs_where_pixels_mean_something_else) {
  EXPECT_THAT(changes_by([](auto& now) { now[1].intensity_scale = 255.0; }),
              ElementsAre("south has the intensity scale 255, not 1"));
}

TEST(SiteData, differs_where_sites_come_in_another_order_by_which_clients_are_numbered) {
  EXPECT_THAT(changes_by([](auto& now) { std::swap(now[0], now[1]); }),
              ElementsAre("the sites come in the order south, north, not north, south"));
}

TEST(SiteData, survives_as_json) {
  std::vector<SiteData> sites = two_sites;
  sites[0].intensity_scale = 1.0 / 3.0;
  sites[1].counts[0] = std::numeric_limits<std::int64_t>::max();
  sites[1].counts[1] = 0;
  const auto json = nlohmann::json::parse(to_json(sites).dump());
  EXPECT_EQ(parse_site_data({json, "file", "Remedy."}), sites);
}

TEST(SiteData, is_refused_where_a_split_is_missing) {
  auto json = to_json(two_sites);
  json[1]["xxh3"].erase(2);
  EXPECT_THAT(test::user_error_of([&] { parse_site_data({json, "file", "Remedy."}); }),
              testing::HasSubstr("1.xxh3: expected 3 values, found 2. Remedy."));
}

TEST(AcceptedChange, survives_as_json) {
  const std::vector<AcceptedChange> changes{{3, {"north is missing", "west is new"}}, {0, {}}};
  const auto json = nlohmann::json::parse(to_json(changes).dump());
  EXPECT_EQ(parse_accepted_changes({json, "file", "Remedy."}), changes);
}

}  // namespace
}  // namespace harmofl
