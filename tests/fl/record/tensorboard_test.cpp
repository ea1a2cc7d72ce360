// SPDX-License-Identifier: Apache-2.0
// What a round says by which tag.
#include "fl/record/tensorboard.hpp"

#include "support/temp_folder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <map>
#include <string>
#include <vector>

namespace harmofl {
namespace {

constexpr double nan_value = std::numeric_limits<double>::quiet_NaN();

Federation two_sites_and_a_new_one() {
  return {.shape = {Task::segmentation, 2, 3, 32, 32},
          .class_names = {"background", "nucleus"},
          .members = {{"north", "", {4, 2, 2}, {}}, {"south\n", "", {4, 2, 2}, {}}},
          .held_out = {{"new", "", {0, 2, 2}, {}}}};
}

std::map<std::string, double> by_tag(const std::vector<EventScalar>& scalars) {
  std::map<std::string, double> found;
  for (const EventScalar& scalar : scalars) {
    EXPECT_TRUE(found.emplace(scalar.tag, scalar.value).second) << scalar.tag << " stands twice";
  }
  return found;
}

TEST(RoundScalars, are_the_values_of_each_site_and_the_means_of_those_that_train) {
  const std::vector<Score> scores{
      {ClientId{0}, Split::train, {{"loss", 0.5}}, 1.0},
      {ClientId{1}, Split::train, {{"loss", 0.25}}, 1.0},
      {ClientId{0}, Split::val, {{"auc", nan_value}, {"dice", 0.5}}, 1.0},
      {ClientId{1}, Split::val, {{"auc", 0.75}, {"dice", 0.25}}, 1.0},
      {ClientId{2}, Split::val, {{"auc", 0.0}, {"dice", 0.0}}, 1.0},
  };
  const auto found = by_tag(round_scalars(scores, two_sites_and_a_new_one(), {}));
  EXPECT_EQ(found.at("train_loss/north"), 0.5);
  EXPECT_EQ(found.at("train_loss/south\\n"), 0.25);
  EXPECT_EQ(found.at("mean/train_loss"), 0.375);
  EXPECT_EQ(found.at("val_dice/new"), 0.0);
  EXPECT_EQ(found.at("mean/val_dice"), 0.375);
  EXPECT_TRUE(std::isnan(found.at("val_auc/north")));
  EXPECT_EQ(found.at("mean/val_auc"), 0.75);
}

TEST(RoundScalars, are_the_numbers_of_the_round) {
  const RoundRecord record{
      .round = RoundId{4},
      .seconds = 2.5,
      .clients = 3,
      .counted = 2,
      .lost = {{"straggler", 2}},
      .ranks = {{{{"train", 1.0}, {"wait", 0.5}}, 1, 100}, {{{"train", 2.0}}, 1, 300}},
      .lr = 0.125};
  const auto found = by_tag(round_scalars({}, two_sites_and_a_new_one(), record));
  EXPECT_EQ(found.at("round/seconds"), 2.5);
  EXPECT_EQ(found.at("round/clients"), 3.0);
  EXPECT_EQ(found.at("round/counted"), 2.0);
  EXPECT_EQ(found.at("round/lr"), 0.125);
  EXPECT_EQ(found.at("round/peak_memory_bytes"), 300.0);
  EXPECT_EQ(found.at("lost/straggler"), 2.0);
  EXPECT_EQ(found.at("phase/train"), 1.5);
  EXPECT_EQ(found.at("phase_max/train"), 2.0);
  EXPECT_EQ(found.at("phase/wait"), 0.25);
  EXPECT_FALSE(found.contains("round/round"));
}

TEST(RoundImages, are_named_by_site_and_case) {
  const std::vector<Picture> pictures{
      {ClientId{2}, Split::test, 1, 1, 2, std::vector<std::uint8_t>(6)}};
  const auto images = round_images(pictures, two_sites_and_a_new_one());
  ASSERT_EQ(images.size(), 1U);
  EXPECT_EQ(images[0].tag, "images/new/test_1");
  EXPECT_EQ(images[0].height, 1);
  EXPECT_EQ(images[0].width, 2);
  EXPECT_EQ(images[0].png.substr(1, 3), "PNG");
}

TEST(Tensorboard, begins_a_file_of_its_own_and_appends_to_it) {
  const test::TempFolder temp;
  const RunFolder folder(temp / "run", false);
  const auto files = [&] {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder.events())) {
      found.push_back(entry.path());
    }
    std::ranges::sort(found);
    return found;
  };
  const Tensorboard first(folder, "a = 1\n", RoundId{0});
  ASSERT_EQ(files().size(), 1U);
  const auto begun = std::filesystem::file_size(files().front());
  first.write(RoundId{0}, {.scalars = {{"a", 1.0}}});
  EXPECT_GT(std::filesystem::file_size(files().front()), begun);
  const auto before = files().front();
  const Tensorboard second(folder, "a = 1\n", RoundId{1});
  ASSERT_EQ(files().size(), 2U);
  EXPECT_EQ(files().front(), before);  // in the order in which readers take them
}

}  // namespace
}  // namespace harmofl
