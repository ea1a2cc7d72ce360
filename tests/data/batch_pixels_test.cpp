// SPDX-License-Identifier: Apache-2.0
// Batches cut in one pass against the same made by libtorch's operations, one after the other.
#include "data/batches/batch_pixels.hpp"

#include <gmock/gmock.h>
#include <torch/types.h>
#include <torch/utils.h>

#include <array>
#include <set>
#include <vector>

namespace harmofl {
namespace {

constexpr auto contiguous = torch::MemoryFormat::Contiguous;
constexpr auto channels_last = torch::MemoryFormat::ChannelsLast;
constexpr double scale = 255.0;

struct Stored {
  torch::Tensor images, targets;
};

/// Images of all values and, where `masks`, masks; else labels.
Stored stored(std::int64_t channels, std::int64_t height, std::int64_t width, torch::Dtype type,
              bool masks) {
  constexpr std::int64_t count = 12;
  torch::manual_seed(channels * 100 + width);
  const torch::Tensor values = torch::randint(0, 256, {count, channels, height, width});
  const torch::Tensor noise =
      type == torch::kFloat32 ? torch::rand(values.sizes()) : torch::zeros(1);
  return {(values + noise).to(type),
          masks ? torch::randint(0, 4, {count, height, width}).to(torch::kUInt8)
                : torch::arange(count)};
}

RngStream fixed_stream() { return {5, RoundId{2}, ClientId{3}, RngPurpose::augmentation}; }

std::vector<Symmetry> turns_of(const Stored& samples, std::int64_t count) {
  RngStream rng = fixed_stream();
  std::vector<Symmetry> turns;
  for (std::int64_t i = 0; i < count; ++i) {
    turns.push_back(draw_symmetry(samples.images.size(2), samples.images.size(3), rng));
  }
  return turns;
}

/// The chosen rows, turned, divided: the batch as the documentation has it.
Stored plain_batch(const Stored& samples, const std::vector<std::int64_t>& rows, bool turned) {
  const torch::Tensor order = torch::tensor(rows);
  Stored batch{samples.images.index_select(0, order), samples.targets.index_select(0, order)};
  torch::Tensor masks = batch.targets.dim() == 3 ? batch.targets : torch::Tensor();
  RngStream rng = fixed_stream();
  if (turned) augment(batch.images, masks, rng);
  return {batch.images.to(torch::kFloat32).div(torch::full({}, scale)),
          batch.targets.to(torch::kInt64)};
}

Stored cut_batch(const Stored& samples, const std::vector<std::int64_t>& rows, bool turned,
                 torch::MemoryFormat format) {
  std::vector<std::int64_t> image_sizes = samples.images.sizes().vec();
  std::vector<std::int64_t> target_sizes = samples.targets.sizes().vec();
  image_sizes[0] = target_sizes[0] = std::ssize(rows);
  Stored batch{torch::full(image_sizes, -1.0F).contiguous(format),
               torch::full(target_sizes, -1, torch::kInt64)};
  const std::vector<Symmetry> turns =
      turned ? turns_of(samples, std::ssize(rows)) : std::vector<Symmetry>();
  cut_images(samples.images, {rows, turns}, scale, batch.images);
  cut_targets(samples.targets, {rows, turns}, batch.targets);
  return batch;
}

using Shape = std::array<std::int64_t, 3>;

/// Calls `check` for shapes and stored types of both memory formats.
template <class Check>
void in_all_ways(const Check& check) {
  for (const Shape& s : {Shape{3, 8, 8}, Shape{1, 8, 8}, Shape{4, 5, 9}, Shape{3, 64, 64},
                         Shape{2, 1, 7}, Shape{3, 40, 40}}) {
    for (const auto type : {torch::kUInt8, torch::kFloat32}) {
      for (const auto format : {contiguous, channels_last}) {
        SCOPED_TRACE(testing::Message()
                     << s[0] << "x" << s[1] << "x" << s[2] << " of " << type << ", " << format);
        check(stored(s[0], s[1], s[2], type, true), format);
      }
    }
  }
}

TEST(CutBatch, has_the_bits_of_gathering_and_dividing) {
  in_all_ways([](const Stored& samples, torch::MemoryFormat format) {
    const std::vector<std::int64_t> rows{7, 0, 11, 3, 3};
    const Stored batch = cut_batch(samples, rows, false, format);
    const Stored expected = plain_batch(samples, rows, false);
    EXPECT_TRUE(torch::equal(batch.images, expected.images));
    EXPECT_TRUE(torch::equal(batch.targets, expected.targets));
    EXPECT_TRUE(batch.images.is_contiguous(format));
  });
}

TEST(CutBatch, has_the_bits_of_augmenting_gathered_samples) {
  in_all_ways([](const Stored& samples, torch::MemoryFormat format) {
    const std::vector<std::int64_t> rows{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 6, 7};
    const Stored batch = cut_batch(samples, rows, true, format);
    const Stored expected = plain_batch(samples, rows, true);
    EXPECT_TRUE(torch::equal(batch.images, expected.images));
    EXPECT_TRUE(torch::equal(batch.targets, expected.targets));
    EXPECT_FALSE(torch::equal(batch.images, plain_batch(samples, rows, false).images));
  });
}

TEST(CutBatch, draws_every_symmetry_in_these_tests) {
  std::set<std::int64_t> seen;
  for (const Symmetry& turn : turns_of(stored(3, 8, 8, torch::kUInt8, true), 60)) {
    seen.insert(turn.number());
  }
  EXPECT_EQ(seen.size(), 8U);
}

TEST(CutBatch, takes_labels_as_they_are) {
  const Stored samples = stored(3, 8, 8, torch::kUInt8, false);
  const Stored batch = cut_batch(samples, {5, 1, 9}, true, channels_last);
  EXPECT_TRUE(torch::equal(batch.targets, torch::tensor({5, 1, 9})));
}

TEST(CanBeCut, is_true_of_dense_samples_of_the_types_that_shards_hold) {
  const Stored masks = stored(3, 8, 8, torch::kUInt8, true);
  const Stored labels = stored(3, 8, 8, torch::kFloat32, false);
  EXPECT_TRUE(can_be_cut(masks.images, masks.targets));
  EXPECT_TRUE(can_be_cut(labels.images, labels.targets));
  EXPECT_FALSE(can_be_cut(masks.images.to(torch::kFloat64), masks.targets));
  EXPECT_FALSE(can_be_cut(masks.images, masks.targets.to(torch::kInt32)));
  EXPECT_FALSE(can_be_cut(masks.images.transpose(2, 3), masks.targets));
  const Stored many = stored(3073, 1, 1, torch::kUInt8, false);  // one value more than a tile
  EXPECT_FALSE(can_be_cut(many.images, many.targets));
  const Stored high = stored(1, 3073, 1, torch::kUInt8, false);
  EXPECT_TRUE(can_be_cut(high.images, high.targets));
  EXPECT_FALSE(can_be_cut(masks.images.expand({12, 3, 8, 8}).narrow(3, 0, 4), masks.targets));
}

}  // namespace
}  // namespace harmofl
