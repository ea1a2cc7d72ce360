// SPDX-License-Identifier: Apache-2.0
#include "data/batches/augmentation.hpp"

#include "harmofl/base/text.hpp"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace harmofl {
namespace {

RngStream stream(std::int64_t round = 0) {
  return {7, RoundId{round}, ClientId{0}, RngPurpose::augmentation};
}

/// [count, 3, height, width] of distinct pixels, and masks [count, height, width] like channel 1.
std::pair<torch::Tensor, torch::Tensor> numbered(std::int64_t count, std::int64_t height,
                                                 std::int64_t width) {
  const torch::Tensor one = torch::arange(3 * height * width, torch::kInt32)
                                .view({1, 3, height, width})
                                .expand({count, 3, height, width})
                                .contiguous();
  return {one, one.select(1, 1).clone()};
}

std::vector<int> values(const torch::Tensor& image) {
  const torch::Tensor flat = image.contiguous().view(-1);
  return {flat.data_ptr<int>(), flat.data_ptr<int>() + flat.numel()};
}

/// The eight symmetries of `image` [H, W], made by rotation and one flip, with their names.
std::map<std::vector<int>, std::string> symmetries(const torch::Tensor& image) {
  std::map<std::vector<int>, std::string> all;
  for (int quarters = 0; quarters < 4; ++quarters) {
    const torch::Tensor turned = torch::rot90(image, quarters, {0, 1});
    all[values(turned)] = concat("r", quarters);
    all[values(turned.flip({1}))] = concat("r", quarters, " flipped");
  }
  return all;
}

TEST(Augment, moves_masks_with_their_images) {
  auto [images, masks] = numbered(64, 5, 5);
  RngStream rng = stream();
  augment(images, masks, rng);
  EXPECT_TRUE(torch::equal(images.select(1, 1), masks));
}

TEST(Augment, moves_masks_of_another_type_with_their_images) {
  auto [images, masks] = numbered(64, 6, 6);
  torch::Tensor bytes = masks.to(torch::kUInt8);
  RngStream rng = stream();
  augment(images, bytes, rng);
  EXPECT_TRUE(torch::equal(images.select(1, 1).to(torch::kUInt8), bytes));
}

TEST(Augment, draws_all_eight_symmetries_and_nothing_else) {
  constexpr std::int64_t count = 400;
  auto [images, masks] = numbered(count, 4, 4);
  const auto known = symmetries(masks[0]);
  ASSERT_EQ(known.size(), 8U);
  RngStream rng = stream();
  augment(images, masks, rng);
  std::map<std::string, int> seen;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto found = known.find(values(masks[i]));
    ASSERT_NE(found, known.end()) << "image " << i << " is not a symmetry of the original";
    ++seen[found->second];
  }
  EXPECT_EQ(seen.size(), 8U);
  // Rotation is uniform, and no flip, one flip of either axis and both have 1/4 each: all alike.
  for (const auto& [name, times] : seen) EXPECT_NEAR(times, count / 8.0, 35.0) << name;
}

// The draws of tools/recompute/batches.py, which follows the description of method.md, section 5,
// with its own generator. Any mix of the flips would leave all eight symmetries alike.
TEST(Augment, draws_what_the_second_implementation_draws) {
  const auto drawn = [](RngStream rng, std::int64_t width) {
    std::vector<std::int64_t> numbers;
    for (int i = 0; i < 24; ++i) numbers.push_back(draw_symmetry(2, width, rng).number());
    return numbers;
  };
  EXPECT_EQ(drawn(stream(0), 2), (std::vector<std::int64_t>{6, 7, 3, 0, 1, 0, 4, 3, 6, 3, 2, 3,
                                                            3, 6, 3, 5, 6, 1, 1, 5, 7, 7, 3, 3}));
  EXPECT_EQ(drawn(stream(1), 3), (std::vector<std::int64_t>{6, 2, 0, 6, 4, 2, 0, 6, 6, 0, 0, 2,
                                                            2, 0, 6, 0, 0, 2, 0, 2, 2, 6, 0, 2}));
}

TEST(Augment, keeps_the_shape_of_images_that_are_not_square) {
  auto [images, masks] = numbered(100, 3, 5);
  const torch::Tensor original = masks[0].clone();
  const std::set<std::vector<int>> allowed{values(original), values(original.flip({0})),
                                           values(original.flip({1})),
                                           values(original.flip({0, 1}))};
  RngStream rng = stream();
  augment(images, masks, rng);
  EXPECT_EQ(images.sizes(), (std::vector<std::int64_t>{100, 3, 3, 5}));
  std::set<std::vector<int>> seen;
  for (std::int64_t i = 0; i < 100; ++i) seen.insert(values(masks[i]));
  EXPECT_EQ(seen, allowed);
  EXPECT_TRUE(torch::equal(images.select(1, 1), masks));
}

TEST(Augment, works_without_masks) {
  auto [images, masks] = numbered(20, 4, 4);
  torch::Tensor with_masks = images.clone();
  RngStream first = stream();
  augment(with_masks, masks, first);
  torch::Tensor none;
  RngStream second = stream();
  augment(images, none, second);
  EXPECT_FALSE(none.defined());
  EXPECT_TRUE(torch::equal(images, with_masks)) << "masks must not change what is drawn";
}

// What a GPU does, which needs no GPU to be tried.
TEST(Augment, turns_all_at_once_to_the_same_bits_as_one_after_the_other) {
  for (const std::int64_t width : {4, 6}) {
    for (const auto type : {torch::kUInt8, torch::kFloat32}) {
      torch::Tensor images = torch::randn({40, 3, 4, width}).mul_(100).to(type);
      torch::Tensor masks = torch::arange(40 * 4 * width).view({40, 4, width});
      torch::Tensor images_at_once = images.clone();
      torch::Tensor masks_at_once = masks.clone();
      const torch::Tensor before = images.clone();
      RngStream first = stream();
      RngStream second = stream();
      augment(images, masks, first);
      augment(images_at_once, masks_at_once, second, pixel_sources(4, width, torch::kCPU));
      EXPECT_TRUE(torch::equal(images_at_once, images)) << "width " << width;
      EXPECT_TRUE(torch::equal(masks_at_once, masks)) << "width " << width;
      EXPECT_FALSE(torch::equal(images, before));
      EXPECT_EQ(first(), second()) << "as much was drawn";
    }
  }
}

TEST(Augment, turns_all_at_once_without_masks) {
  auto [images, masks] = numbered(20, 4, 4);
  torch::Tensor expected = images.clone();
  RngStream first = stream();
  augment(expected, masks, first);
  torch::Tensor none;
  RngStream second = stream();
  augment(images, none, second, pixel_sources(4, 4, torch::kCPU));
  EXPECT_FALSE(none.defined());
  EXPECT_TRUE(torch::equal(images, expected));
}

TEST(Augment, repeats_itself_for_the_same_key_only) {
  const auto augmented = [](std::int64_t round) {
    auto [images, masks] = numbered(30, 4, 4);
    RngStream rng = stream(round);
    augment(images, masks, rng);
    return images;
  };
  EXPECT_TRUE(torch::equal(augmented(1), augmented(1)));
  EXPECT_FALSE(torch::equal(augmented(1), augmented(2)));
}

}  // namespace
}  // namespace harmofl
