// SPDX-License-Identifier: Apache-2.0
// Scores from every rank to the root.
#include "fl/local/evaluation.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <cmath>

namespace harmofl {
namespace {

using test::world;

TEST(GatherScores, sorts_by_client_then_split_and_keeps_every_bit) {
  const double third = 1.0 / 3.0;
  const std::vector<Score> scores{{ClientId{1}, Split::val, {{"dice", third}}, 0.5},
                                  {ClientId{0}, Split::test, {{"loss", std::nan("")}}, 0.25},
                                  {ClientId{0}, Split::train, {}, 0.125}};
  const std::vector<Score> gathered = gather_scores(scores, Communicator::serial());
  ASSERT_EQ(gathered.size(), 3U);
  EXPECT_EQ(gathered[0].split, Split::train);
  EXPECT_TRUE(gathered[0].values.empty());
  EXPECT_TRUE(std::isnan(gathered[1].values.at("loss")));
  EXPECT_EQ(gathered[1].seconds, 0.25);
  EXPECT_EQ(gathered[2].client, ClientId{1});
  EXPECT_EQ(gathered[2].values.at("dice"), third);
}

/// Clients of rank r are size - 1 - r, 2 size - 1 - r and so on, r of them: rank 0 has none.
std::vector<Score> scores_of(std::int64_t rank, std::int64_t size) {
  std::vector<Score> scores;
  for (std::int64_t i = 0; i < rank; ++i) {
    const ClientId client{(i + 1) * size - 1 - rank};
    const double value = 0.1 * static_cast<double>(rank + 1) + static_cast<double>(i);
    scores.push_back({client, Split::val, {{"loss", value}, {concat("own", rank), -value}}, value});
    scores.push_back({client, Split::train, {{"drift", value + 0.5}}, 2.0 * value});
    // What is kept of each sample: i + 1 rows of two values in one split, a row of three in
    // another.
    for (std::int64_t j = 0; j <= i; ++j) {
      scores[scores.size() - 2].samples.values.insert(
          scores[scores.size() - 2].samples.values.end(), {value, static_cast<double>(j)});
    }
    scores[scores.size() - 2].samples.width = 2;
    scores.back().samples = {3, {-value, -2.0 * value, -3.0 * value}};
  }
  return scores;
}

TEST(GatherScores, brings_those_of_every_rank_to_the_root) {
  const std::int64_t size = world().size();
  const auto gathered = gather_scores(scores_of(world().rank().value(), size), world());
  std::vector<Score> expected;
  for (std::int64_t r = 0; world().is_root() && r < size; ++r) {
    for (const Score& score : scores_of(r, size)) expected.push_back(score);
  }
  std::ranges::sort(expected, {}, [](const Score& s) { return std::pair(s.client, s.split); });
  ASSERT_EQ(gathered.size(), expected.size());
  for (std::size_t i = 0; i < gathered.size(); ++i) {
    EXPECT_EQ(gathered[i].client, expected[i].client);
    EXPECT_EQ(gathered[i].split, expected[i].split);
    EXPECT_EQ(gathered[i].values, expected[i].values);
    EXPECT_EQ(gathered[i].seconds, expected[i].seconds);
    EXPECT_EQ(gathered[i].samples.width, expected[i].samples.width);
    EXPECT_EQ(gathered[i].samples.values, expected[i].samples.values);
  }
}

}  // namespace
}  // namespace harmofl
