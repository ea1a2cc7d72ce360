// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/rng.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace harmofl {
namespace {

using Block = std::array<std::uint32_t, 4>;

RngStream stream(std::uint64_t seed = 1, std::int64_t round = 0, std::int64_t client = 0,
                 RngPurpose purpose = RngPurpose::shuffle) {
  return {seed, RoundId{round}, ClientId{client}, purpose};
}

std::vector<std::uint32_t> draws(RngStream rng, int count) {
  std::vector<std::uint32_t> values;
  for (int i = 0; i < count; ++i) values.push_back(rng());
  return values;
}

// Known answers of Random123 (kat_vectors, philox4x32, 10 rounds).
TEST(Philox, gives_the_published_answer_for_zeros) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
}

TEST(Philox, gives_the_published_answer_for_ones) {
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
}

TEST(Philox, gives_the_published_answer_for_digits_of_pi) {
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RngStream, repeats_itself_for_the_same_key) {
  EXPECT_EQ(draws(stream(), 100), draws(stream(), 100));
}

TEST(RngStream, differs_in_every_part_of_the_key) {
  const std::vector<std::vector<std::uint32_t>> streams{
      draws(stream(1, 0, 0), 8), draws(stream(2, 0, 0), 8), draws(stream(1, 1, 0), 8),
      draws(stream(1, 0, 1), 8), draws(stream(1, 0, 0, RngPurpose::augmentation), 8)};
  EXPECT_EQ(std::set(streams.begin(), streams.end()).size(), streams.size());
}

TEST(RngStream, does_not_depend_on_what_other_streams_drew) {
  const std::vector<std::uint32_t> alone = draws(stream(1, 2, 3), 20);
  RngStream first = stream(1, 2, 3);
  RngStream second = stream(1, 2, 4);
  std::vector<std::uint32_t> interleaved;
  for (int i = 0; i < 20; ++i) {
    second();
    interleaved.push_back(first());
  }
  EXPECT_EQ(interleaved, alone);
}

TEST(RngStream, draws_uniform_numbers_in_the_half_open_interval) {
  RngStream rng = stream();
  double sum = 0.0;
  constexpr int count = 20000;
  for (int i = 0; i < count; ++i) {
    const double value = rng.uniform();
    ASSERT_GE(value, 0.0);
    ASSERT_LT(value, 1.0);
    sum += value;
  }
  const double standard_error = std::sqrt(1.0 / 12.0 / count);
  EXPECT_NEAR(sum / count, 0.5, 5.0 * standard_error);
}

TEST(RngStream, draws_below_a_bound_without_bias) {
  RngStream rng = stream();
  // With this bound, the multiplication alone would favour a third of the values by one half.
  constexpr std::uint32_t bound = 0xC0000000u;
  constexpr int count = 30000;
  int in_lowest_third = 0;
  for (int i = 0; i < count; ++i) {
    const std::uint32_t value = rng.below(bound);
    ASSERT_LT(value, bound);
    in_lowest_third += value % 3 == 0 ? 1 : 0;
  }
  const double standard_error = std::sqrt(count * (1.0 / 3.0) * (2.0 / 3.0));
  EXPECT_NEAR(in_lowest_third, count / 3.0, 5.0 * standard_error);
}

TEST(RngStream, draws_zero_below_one) { EXPECT_EQ(stream().below(1), 0U); }

TEST(RngStream, draws_normal_numbers) {
  RngStream rng = stream();
  constexpr int count = 20000;
  double sum = 0.0;
  double squares = 0.0;
  for (int i = 0; i < count; ++i) {
    const double value = rng.normal();
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / count, 0.0, 5.0 / std::sqrt(count));
  EXPECT_NEAR(squares / count, 1.0, 5.0 * std::sqrt(2.0 / count));
}

TEST(RngStream, permutes_every_number_once) {
  std::vector<std::int64_t> order = stream().permutation(1000);
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (std::int64_t i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(RngStream, permutes_nothing_and_one) {
  EXPECT_TRUE(stream().permutation(0).empty());
  EXPECT_EQ(stream().permutation(1), std::vector<std::int64_t>{0});
}

TEST(RngStream, draws_all_permutations_alike) {
  constexpr int count = 6000;
  std::map<std::vector<std::int64_t>, int> seen;
  for (int i = 0; i < count; ++i) ++seen[stream(1, i).permutation(3)];
  ASSERT_EQ(seen.size(), 6U);
  const double standard_error = std::sqrt(count * (1.0 / 6.0) * (5.0 / 6.0));
  for (const auto& [order, times] : seen) EXPECT_NEAR(times, count / 6.0, 5.0 * standard_error);
}

}  // namespace
}  // namespace harmofl
