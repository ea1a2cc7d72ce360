// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/splits.hpp"

#include "prepare/png_files.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>

namespace {

using namespace harmofl;
using namespace harmofl::prepare;
using testing::ElementsAre;

constexpr std::array<int, 3> usual{64, 16, 20};

std::vector<Sample> make_samples(int count, int patients = 0) {
  std::vector<Sample> samples(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < samples.size(); ++i) {
    samples[i].id = "image" + std::to_string(1000 + i);
    if (patients > 0)
      samples[i].patient = "p" + std::to_string(i % static_cast<std::size_t>(patients));
  }
  return samples;
}

TEST(SplitCounts, rounds_val_and_test_and_gives_train_the_rest) {
  EXPECT_THAT(split_counts(334, usual), ElementsAre(214, 53, 67));
  EXPECT_THAT(split_counts(16, usual), ElementsAre(10, 3, 3));
  EXPECT_THAT(split_counts(10, {50, 25, 25}), ElementsAre(4, 3, 3));  // halves up
}

TEST(SplitCounts, leaves_no_split_empty_from_three_on) {
  EXPECT_THAT(split_counts(0, usual), ElementsAre(0, 0, 0));
  EXPECT_THAT(split_counts(1, usual), ElementsAre(1, 0, 0));
  EXPECT_THAT(split_counts(2, usual), ElementsAre(2, 0, 0));
  EXPECT_THAT(split_counts(3, usual), ElementsAre(1, 1, 1));
  EXPECT_THAT(split_counts(3, {1, 49, 50}), ElementsAre(1, 1, 1));
  EXPECT_THAT(split_counts(10, {100, 0, 0}), ElementsAre(10, 0, 0));
}

TEST(SplitCounts, add_up_for_every_count) {
  for (std::int64_t count = 0; count < 300; ++count) {
    for (const auto& percent : {usual, {33, 33, 34}, {0, 50, 50}, {98, 1, 1}}) {
      const auto counts = split_counts(count, percent);
      EXPECT_EQ(counts[0] + counts[1] + counts[2], count);
      EXPECT_GE(*std::min_element(counts.begin(), counts.end()), 0);
    }
  }
}

TEST(DrawSplits, depend_on_seed_and_site_only) {
  const auto samples = make_samples(50);
  const auto first = draw_splits(samples, usual, 0, ClientId{1});
  EXPECT_EQ(first, draw_splits(samples, usual, 0, ClientId{1}));
  EXPECT_NE(first, draw_splits(samples, usual, 1, ClientId{1}));
  EXPECT_NE(first, draw_splits(samples, usual, 0, ClientId{2}));
  EXPECT_EQ(std::count(first.begin(), first.end(), Split::test), 10);
  EXPECT_EQ(std::count(first.begin(), first.end(), Split::val), 8);
}

TEST(DrawSplits, keep_patients_together) {
  const auto samples = make_samples(60, 10);
  const auto splits = draw_splits(samples, usual, 3, ClientId{0});
  std::map<std::string, std::set<Split>> seen;
  for (std::size_t i = 0; i < samples.size(); ++i) seen[samples[i].patient].insert(splits[i]);
  std::map<Split, int> patients;
  for (const auto& [patient, where] : seen) {
    ASSERT_EQ(where.size(), 1u) << patient;
    ++patients[*where.begin()];
  }
  EXPECT_EQ(patients[Split::train], 6);
  EXPECT_EQ(patients[Split::val], 2);
  EXPECT_EQ(patients[Split::test], 2);
}

TEST(DrawSplits, count_images_of_patients_and_their_classes) {
  // Patient p0 has as many images as all others together, and every image of class b.
  auto samples = make_samples(80, 8);
  for (std::size_t i = 0; i < 40; ++i) samples[i].patient = "p0";
  for (std::size_t i = 40; i < 80; ++i) samples[i].patient = "q" + std::to_string(i / 5);
  const auto share = [&](const std::vector<Split>& splits, Split split) {
    return std::count(splits.begin(), splits.end(), split);
  };
  auto splits = draw_splits(samples, {50, 25, 25}, 3, ClientId{0});
  EXPECT_EQ(splits[0], Split::train);
  EXPECT_EQ(share(splits, Split::train), 40);
  EXPECT_EQ(share(splits, Split::val), 20);
  // With every second patient of class b, all splits have some of both.
  for (std::size_t i = 40; i < 80; ++i) samples[i].label = i / 5 % 2 == 0 ? "a" : "b";
  for (std::size_t i = 0; i < 40; ++i) samples[i].label = i % 2 == 0 ? "a" : "b";
  splits = draw_splits(samples, {50, 25, 25}, 3, ClientId{0});
  std::map<std::pair<Split, std::string>, int> counts;
  for (std::size_t i = 0; i < samples.size(); ++i) ++counts[{splits[i], samples[i].label}];
  EXPECT_EQ((counts[{Split::train, "a"}]), 20);
  EXPECT_EQ((counts[{Split::val, "a"}]), 10);
  EXPECT_EQ((counts[{Split::test, "b"}]), 10);
}

TEST(DrawSplits, are_the_same_as_ever_where_nobody_is_named) {
  const auto splits = draw_splits(make_samples(12), usual, 5, ClientId{2});
  std::string letters;
  for (const Split split : splits) letters += to_string(split)[1];  // t(r)ain, v(a)l, t(e)st
  EXPECT_EQ(letters, "rraarrrrrree");
}

TEST(DrawSplits, respect_what_the_list_says) {
  auto samples = make_samples(20, 10);
  samples[4].split = Split::test;  // of patient p4, who also has sample 14
  const auto splits = draw_splits(samples, usual, 3, ClientId{0});
  EXPECT_EQ(splits[4], Split::test);
  EXPECT_EQ(splits[14], Split::test);
  samples[14].split = Split::train;
  EXPECT_THAT(test::error_of([&] { draw_splits(samples, usual, 3, ClientId{0}); }),
              testing::HasSubstr("patient 'p4' is in test"));
}

}  // namespace
