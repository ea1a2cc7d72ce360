// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/deal.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <numeric>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;

constexpr std::array<int, 3> shares{64, 16, 20};

RngStream stream(std::uint64_t seed) {
  return RngStream(seed, RoundId{0}, ClientId{0}, RngPurpose::split);
}

/// `count` units of 1 to `most` images, dealt over `classes` classes unevenly.
std::vector<ClassCounts> make_units(int count, int classes, std::uint32_t most,
                                    std::uint64_t seed) {
  RngStream random = stream(seed);
  std::vector<ClassCounts> units;
  for (int i = 0; i < count; ++i) {
    ClassCounts& unit = units.emplace_back(static_cast<std::size_t>(classes), 0);
    for (std::int64_t& images : unit) images = random.below(most);
    ++unit[0];
  }
  return units;
}

/// The sums of squared differences of shares as written in deal.hpp, in floating point.
double expected_imbalance(const std::vector<ClassCounts>& units, const std::vector<Split>& splits,
                          const std::array<int, 3>& percent) {
  const std::size_t classes = units.front().size();
  double sum = 0.0;
  const auto add = [&](auto images, double weight) {
    double whole = 0.0;
    std::array<double, 3> parts{};
    for (std::size_t i = 0; i < units.size(); ++i) {
      whole += images(units[i]);
      parts[static_cast<std::size_t>(splits[i])] += images(units[i]);
    }
    if (whole == 0.0) return;
    for (std::size_t s = 0; s < 3; ++s) {
      const double difference = 1e6 * (parts[s] / whole - percent[s] / 100.0);
      sum += weight * difference * difference;
    }
  };
  add([](const ClassCounts& unit) { return double(std::accumulate(unit.begin(), unit.end(), 0L)); },
      double(classes));
  for (std::size_t k = 0; k < classes; ++k)
    add([k](const ClassCounts& unit) { return double(unit[k]); }, 1.0);
  return sum;
}

/// The least imbalance of all ways to deal, none of which leaves a wanted split empty.
std::int64_t least_imbalance(const std::vector<ClassCounts>& units,
                             const std::array<int, 3>& percent) {
  std::vector<Split> splits(units.size(), Split::train);
  std::int64_t least = std::numeric_limits<std::int64_t>::max();
  const auto ways = static_cast<int>(std::pow(3.0, double(units.size())) + 0.5);
  for (int way = 0; way < ways; ++way) {
    bool allowed = true;
    for (int i = 0, rest = way; i < std::ssize(units); ++i, rest /= 3) {
      splits[static_cast<std::size_t>(i)] = all_splits[static_cast<std::size_t>(rest % 3)];
      allowed &= percent[static_cast<std::size_t>(rest % 3)] > 0;
    }
    if (allowed) least = std::min(least, imbalance(units, splits, percent));
  }
  return least;
}

TEST(Imbalance, is_the_sum_of_squared_differences_of_shares) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const auto units = make_units(9, 3, 40, seed);
    RngStream random = stream(100 + seed);
    std::vector<Split> splits;
    for (std::size_t i = 0; i < units.size(); ++i)
      splits.push_back(all_splits[i < 3 ? i : random.below(3)]);
    const double expected = expected_imbalance(units, splits, shares);
    EXPECT_NEAR(double(imbalance(units, splits, shares)), expected, 1e-4 * expected + 100.0);
  }
}

TEST(DealWhole, finds_the_least_imbalance_of_few_patients) {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const int count = 3 + static_cast<int>(seed % 6);
    const int classes = 1 + static_cast<int>(seed % 3);
    const auto units = make_units(count, classes, 30, seed);
    for (const auto& percent : {shares, {50, 0, 50}, {80, 10, 10}}) {
      RngStream random = stream(seed);
      const auto splits = deal_whole(units, percent, random);
      EXPECT_EQ(imbalance(units, splits, percent), least_imbalance(units, percent))
          << count << " units of " << classes << " classes, seed " << seed;
    }
  }
}

TEST(DealWhole, comes_near_the_asked_shares_of_slides) {
  // 688 images of 47 slides, as uneven as slides are.
  std::vector<ClassCounts> units;
  for (std::int64_t i = 0, left = 688; i < 47; ++i) {
    const std::int64_t images =
        i == 46 ? left : std::min<std::int64_t>(left - (46 - i), 1 + (i * i * 7) % 29);
    units.push_back({images / 3, images - images / 3});
    left -= images;
  }
  RngStream random = stream(0);
  const auto splits = deal_whole(units, shares, random);
  std::array<std::int64_t, 3> images{};
  for (std::size_t i = 0; i < units.size(); ++i) {
    images[static_cast<std::size_t>(splits[i])] += units[i][0] + units[i][1];
  }
  EXPECT_THAT(images, testing::ElementsAre(testing::AnyOf(440, 441), testing::AnyOf(109, 110, 111),
                                           testing::AnyOf(137, 138)));
}

TEST(DealWhole, leaves_no_split_empty_from_three_patients_on) {
  RngStream random = stream(1);
  const std::vector<ClassCounts> units{{1000}, {1}, {1}};
  const auto splits = deal_whole(units, shares, random);
  EXPECT_EQ(splits[0], Split::train);
  EXPECT_NE(splits[1], splits[2]);
  EXPECT_NE(splits[1], Split::train);
  EXPECT_NE(splits[2], Split::train);
  const auto all_train = deal_whole(units, {100, 0, 0}, random);
  EXPECT_THAT(all_train, testing::Each(Split::train));
  EXPECT_TRUE(deal_whole({}, shares, random).empty());
}

TEST(DealWhole, depends_on_the_seed_among_equals) {
  const std::vector<ClassCounts> units(10, ClassCounts{5, 5});
  RngStream one = stream(1), again = stream(1), two = stream(2);
  const auto splits = deal_whole(units, shares, one);
  EXPECT_EQ(deal_whole(units, shares, again), splits);
  EXPECT_NE(deal_whole(units, shares, two), splits);
}

TEST(DealWhole, takes_many_patients) {
  const auto units = make_units(5000, 4, 50, 3);
  RngStream random = stream(0);
  const auto splits = deal_whole(units, shares, random);
  // Below a ten-thousandth of each share.
  EXPECT_LT(imbalance(units, splits, shares), std::int64_t{3} * 8 * 100 * 100);
}

}  // namespace
