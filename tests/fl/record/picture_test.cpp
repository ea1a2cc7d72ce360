// SPDX-License-Identifier: Apache-2.0
// Cases as pictures, pixel by pixel.
#include "fl/record/picture.hpp"

#include "support/world.hpp"

#include <gmock/gmock.h>

#include <array>
#include <set>
#include <vector>

namespace harmofl {
namespace {

using testing::ElementsAre;
using Pixel = std::array<int, 3>;

Pixel at(const std::vector<std::uint8_t>& pixels, std::int64_t width, std::int64_t y,
         std::int64_t x) {
  const auto first = static_cast<std::size_t>(3 * (y * width + x));
  return {pixels[first], pixels[first + 1], pixels[first + 2]};
}

TEST(Picture, shows_image_truth_and_prediction_side_by_side) {
  torch::Tensor image = torch::zeros({3, 2, 4});
  image[0][0][0] = 1.0;
  image[1][1][3] = 51.0 / 255.0;
  torch::Tensor truth = torch::zeros({2, 4}, torch::kInt64);
  truth[1][2] = 1;
  torch::Tensor predicted = torch::zeros({2, 4}, torch::kInt64);
  predicted[0][3] = 1;
  const auto pixels = picture_of_masks(image, truth, predicted, 2);
  const std::int64_t width = 3 * 4 + 4;
  ASSERT_EQ(std::ssize(pixels), 2 * width * 3);
  EXPECT_EQ(at(pixels, width, 0, 0), (Pixel{255, 0, 0}));
  EXPECT_EQ(at(pixels, width, 1, 3), (Pixel{0, 51, 0}));
  EXPECT_EQ(at(pixels, width, 0, 4), (Pixel{96, 96, 96}));
  EXPECT_EQ(at(pixels, width, 1, 5), (Pixel{96, 96, 96}));
  EXPECT_EQ(at(pixels, width, 1, 6 + 2), (Pixel{255, 255, 255}));
  EXPECT_EQ(at(pixels, width, 0, 6 + 3), (Pixel{0, 0, 0}));
  EXPECT_EQ(at(pixels, width, 0, 12 + 3), (Pixel{255, 255, 255}));
  EXPECT_EQ(at(pixels, width, 1, 12 + 2), (Pixel{0, 0, 0}));
}

TEST(Picture, gives_back_every_byte_of_an_image) {
  const torch::Tensor bytes = torch::arange(256).reshape({1, 16, 16});
  const torch::Tensor mask = torch::zeros({16, 16}, torch::kInt64);
  const auto pixels = picture_of_masks(bytes.to(torch::kFloat32) / 255.0, mask, mask, 2);
  for (int value = 0; value < 256; ++value) {
    EXPECT_EQ(at(pixels, 52, value / 16, value % 16), (Pixel{value, value, value}));
  }
}

TEST(Picture, shows_other_values_in_their_own_range) {
  const torch::Tensor image = torch::tensor({-1.0, 0.0, 3.0}).reshape({1, 1, 3});
  const torch::Tensor mask = torch::zeros({1, 3}, torch::kInt64);
  const auto pixels = picture_of_masks(image, mask, mask, 2);
  EXPECT_EQ(at(pixels, 13, 0, 0)[0], 0);
  EXPECT_EQ(at(pixels, 13, 0, 1)[0], 64);
  EXPECT_EQ(at(pixels, 13, 0, 2)[0], 255);
}

TEST(Picture, has_a_colour_for_each_of_many_classes) {
  const torch::Tensor mask = torch::arange(4).reshape({1, 4});
  const auto pixels = picture_of_masks(torch::zeros({1, 1, 4}), mask, mask, 4);
  std::set<Pixel> colours;
  for (std::int64_t x = 6; x < 10; ++x) colours.insert(at(pixels, 16, 0, x));
  EXPECT_EQ(colours.size(), 4U);
  EXPECT_TRUE(colours.contains(Pixel{0, 0, 0}));
}

TEST(Picture, frames_an_image_by_whether_its_class_was_found) {
  const auto found = picture_of_class(torch::ones({1, 2, 2}), true);
  EXPECT_EQ(at(found, 8, 0, 0), (Pixel{0, 160, 0}));
  EXPECT_EQ(at(found, 8, 3, 3), (Pixel{255, 255, 255}));
  EXPECT_EQ(at(picture_of_class(torch::ones({1, 2, 2}), false), 8, 7, 7), (Pixel{220, 0, 0}));
}

TEST(Picture, is_made_of_the_first_cases_of_a_batch) {
  const torch::Tensor targets = torch::tensor({1, 0, 1});
  const torch::Tensor logits = torch::tensor({0.0, 1.0, 0.0, 1.0, 1.0, 0.0}).reshape({3, 2});
  const auto pictures =
      pictures_of(ClientId{5}, Split::test, torch::zeros({3, 1, 2, 4}), targets, logits);
  ASSERT_EQ(pictures.size(), 2U);
  EXPECT_EQ(pictures[1].position, 1);
  EXPECT_EQ(pictures[1].height, 8);
  EXPECT_EQ(pictures[1].width, 10);
  EXPECT_EQ(at(pictures[0].pixels, 10, 0, 0), (Pixel{0, 160, 0}));
  EXPECT_EQ(at(pictures[1].pixels, 10, 0, 0), (Pixel{220, 0, 0}));
}

TEST(Pictures, are_due_after_so_many_rounds_when_models_are_evaluated) {
  const auto due_after = [](std::int64_t every, std::int64_t evaluate_every, std::int64_t rounds) {
    std::vector<std::int64_t> due;
    for (std::int64_t done = 1; done <= rounds; ++done) {
      const bool evaluated = done % evaluate_every == 0 || done == rounds;
      if (evaluated && pictures_are_due(every, done, evaluate_every, rounds)) due.push_back(done);
    }
    return due;
  };
  EXPECT_THAT(due_after(1, 1, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(due_after(3, 1, 7), ElementsAre(3, 6, 7));
  EXPECT_THAT(due_after(5, 3, 16), ElementsAre(6, 12, 15, 16));
  EXPECT_THAT(due_after(10, 4, 9), ElementsAre(9));
  EXPECT_THAT(due_after(0, 1, 9), ElementsAre());
}

TEST(Pictures, of_all_ranks_come_to_the_root_in_the_order_of_clients) {
  using test::world;
  const std::int64_t rank = world().rank().value();
  std::vector<Picture> own;
  for (std::int64_t i = 0; i < 2; ++i) {
    const auto value = static_cast<std::uint8_t>(10 * rank + i);
    own.push_back({ClientId{world().size() - rank}, Split::val, i, 1, rank + 1,
                   std::vector<std::uint8_t>(static_cast<std::size_t>(3 * (rank + 1)), value)});
  }
  const auto all = gather_pictures(own, world());
  if (!world().is_root()) {
    EXPECT_TRUE(all.empty());
    return;
  }
  ASSERT_EQ(std::ssize(all), 2 * world().size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::int64_t from = world().size() - 1 - static_cast<std::int64_t>(i / 2);
    EXPECT_EQ(all[i].measured.value(), static_cast<std::int64_t>(1 + i / 2));
    EXPECT_EQ(all[i].position, static_cast<std::int64_t>(i % 2));
    EXPECT_EQ(all[i].split, Split::val);
    EXPECT_EQ(std::ssize(all[i].pixels), 3 * (from + 1));
    EXPECT_EQ(all[i].pixels.front(), 10 * from + static_cast<std::int64_t>(i % 2));
  }
}

}  // namespace
}  // namespace harmofl
