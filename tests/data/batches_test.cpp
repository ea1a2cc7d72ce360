// SPDX-License-Identifier: Apache-2.0
#include "data/batches/batches.hpp"

#include <gmock/gmock.h>
#include <torch/utils.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace harmofl {
namespace {

using Sizes = std::vector<std::int64_t>;

RngStream shuffle(std::int64_t round = 0) {
  return {3, RoundId{round}, ClientId{1}, RngPurpose::shuffle};
}
RngStream augmentation(std::int64_t round = 0) {
  return {3, RoundId{round}, ClientId{1}, RngPurpose::augmentation};
}

/// Sample i has pixels of value i and label i.
Samples labelled(std::int64_t count, double scale = 1.0) {
  Samples samples;
  samples.targets = torch::arange(count, torch::kInt64);
  samples.images = samples.targets.to(torch::kUInt8).view({count, 1, 1, 1}).repeat({1, 3, 4, 4});
  samples.intensity_scale = scale;
  return samples;
}

/// Random images whose mask is their first channel.
Samples masked(std::int64_t count) {
  torch::manual_seed(0);
  Samples samples;
  samples.images = torch::randint(0, 256, {count, 3, 6, 6}, torch::kUInt8);
  samples.targets = samples.images.select(1, 0).clone();
  return samples;
}

std::vector<Batch> all_of(BatchStream stream) {
  std::vector<Batch> batches;
  while (std::optional<Batch> batch = stream.next()) batches.push_back(std::move(*batch));
  return batches;
}

Sizes labels_of(const std::vector<Batch>& batches) {
  Sizes labels;
  for (const Batch& batch : batches) {
    const auto* first = batch.targets.data_ptr<std::int64_t>();
    labels.insert(labels.end(), first, first + batch.targets.numel());
  }
  return labels;
}

Sizes sizes_of(const std::vector<Batch>& batches) {
  Sizes sizes;
  for (const Batch& batch : batches) sizes.push_back(batch.images.size(0));
  return sizes;
}

Sizes first_numbers(std::int64_t count) {
  Sizes numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

TEST(BatchStream, evaluates_in_stored_order_with_a_smaller_last_batch) {
  const Samples samples = labelled(10);
  EXPECT_EQ(BatchStream(samples, {.batch_size = 4}).batches(), 3);
  const std::vector<Batch> batches = all_of({samples, {.batch_size = 4}});
  EXPECT_EQ(sizes_of(batches), (Sizes{4, 4, 2}));
  EXPECT_EQ(labels_of(batches), first_numbers(10));
}

TEST(BatchStream, covers_every_sample_once_when_shuffled) {
  const Samples samples = labelled(50);
  Sizes labels = labels_of(all_of({samples, {.batch_size = 8}, shuffle(), augmentation()}));
  EXPECT_NE(labels, first_numbers(50));
  std::sort(labels.begin(), labels.end());
  EXPECT_EQ(labels, first_numbers(50));
}

TEST(BatchStream, keeps_images_with_their_targets) {
  const Samples samples = labelled(20);
  for (const Batch& batch : all_of({samples, {.batch_size = 6}, shuffle(), augmentation()})) {
    EXPECT_TRUE(torch::equal(batch.images.select(1, 2).select(1, 3).select(1, 0),
                             batch.targets.to(torch::kFloat32)));
  }
}

TEST(BatchStream, repeats_itself_for_the_same_key_only) {
  const Samples samples = labelled(30);
  const auto order = [&](std::int64_t round) {
    return labels_of(all_of({samples, {.batch_size = 8}, shuffle(round), augmentation(round)}));
  };
  EXPECT_EQ(order(1), order(1));
  EXPECT_NE(order(1), order(2));
}

TEST(BatchStream, takes_other_samples_every_time_when_truncated) {
  const Samples samples = labelled(40);
  const BatchOptions options{.batch_size = 4, .max_samples = 10};
  const auto taken = [&](std::int64_t round) {
    Sizes labels = labels_of(all_of({samples, options, shuffle(round), augmentation(round)}));
    std::sort(labels.begin(), labels.end());
    return labels;
  };
  EXPECT_EQ(taken(1).size(), 10U);
  EXPECT_NE(taken(1), taken(2));
  EXPECT_EQ(BatchStream(samples, options).batches(), 3);
  EXPECT_EQ(labels_of(all_of({samples, options})), first_numbers(10)) << "the first ones in order";
}

TEST(BatchStream, ignores_a_limit_above_the_number_of_samples) {
  const Samples samples = labelled(5);
  EXPECT_EQ(labels_of(all_of({samples, {.batch_size = 4, .max_samples = 99}})), first_numbers(5));
}

TEST(BatchStream, is_at_its_end_at_once_without_samples) {
  const Samples none;
  BatchStream stream(none, {.batch_size = 4});
  EXPECT_EQ(stream.batches(), 0);
  EXPECT_FALSE(stream.next().has_value());
  const Samples empty = labelled(0);
  EXPECT_TRUE(all_of({empty, {.batch_size = 4}, shuffle(), augmentation()}).empty());
}

TEST(BatchStream, divides_every_pixel_value_exactly) {
  Samples samples = labelled(256, 255.0);
  const std::vector<Batch> batches = all_of({samples, {.batch_size = 256}});
  ASSERT_EQ(batches.size(), 1U);
  EXPECT_EQ(batches[0].images.scalar_type(), torch::kFloat32);
  for (std::int64_t value = 0; value < 256; ++value) {
    ASSERT_EQ(batches[0].images[value][0][0][0].item<float>(), static_cast<float>(value) / 255.0F);
  }
}

TEST(BatchStream, gives_labels_and_masks_as_int64) {
  const Samples samples = masked(3);
  const std::vector<Batch> batches = all_of({samples, {.batch_size = 3}});
  EXPECT_EQ(batches[0].targets.scalar_type(), torch::kInt64);
  EXPECT_TRUE(torch::equal(batches[0].targets, samples.targets.to(torch::kInt64)));
}

TEST(BatchStream, augments_images_and_masks_alike_and_spares_the_samples) {
  const Samples samples = masked(24);
  const torch::Tensor before = samples.images.clone();
  const BatchOptions options{.batch_size = 24, .augment = true};
  const std::vector<Batch> batches = all_of({samples, options, shuffle(), augmentation()});
  const torch::Tensor first_channel = batches[0].images.select(1, 0).to(torch::kInt64);
  EXPECT_TRUE(torch::equal(first_channel, batches[0].targets));
  EXPECT_TRUE(torch::equal(samples.images, before));

  const BatchOptions plain{.batch_size = 24};
  const std::vector<Batch> unturned = all_of({samples, plain, shuffle(), augmentation()});
  EXPECT_FALSE(torch::equal(batches[0].images, unturned[0].images));
}

TEST(BatchStream, augments_a_single_sample) {
  const Samples samples = masked(1);
  const BatchOptions options{.batch_size = 4, .augment = true};
  bool turned = false;
  for (std::int64_t round = 0; round < 16 && !turned; ++round) {
    const Batch batch = all_of({samples, options, shuffle(round), augmentation(round)})[0];
    turned = !torch::equal(batch.targets, samples.targets.to(torch::kInt64));
  }
  EXPECT_TRUE(turned) << "of 16 draws among the eight symmetries none moved the mask";
}

TEST(BatchStream, lays_images_out_in_the_format_asked_for) {
  const Samples samples = masked(5);
  for (const auto format : {torch::MemoryFormat::Contiguous, torch::MemoryFormat::ChannelsLast}) {
    const BatchOptions options{.batch_size = 2, .augment = true, .format = format};
    const std::vector<Batch> batches = all_of({samples, options, shuffle(), augmentation()});
    const BatchOptions plain{.batch_size = 2, .augment = true};
    const std::vector<Batch> expected = all_of({samples, plain, shuffle(), augmentation()});
    ASSERT_EQ(batches.size(), expected.size());
    for (std::size_t i = 0; i < batches.size(); ++i) {
      EXPECT_TRUE(batches[i].images.is_contiguous(format));
      EXPECT_TRUE(torch::equal(batches[i].images, expected[i].images));
      EXPECT_TRUE(torch::equal(batches[i].targets, expected[i].targets));
    }
  }
}

TEST(BatchStream, cuts_samples_of_other_types_too) {
  Samples samples = masked(6);
  const BatchOptions options{.batch_size = 4, .augment = true};
  const std::vector<Batch> expected = all_of({samples, options, shuffle(), augmentation()});
  samples.targets = samples.targets.to(torch::kInt32);
  const std::vector<Batch> batches = all_of({samples, options, shuffle(), augmentation()});
  for (std::size_t i = 0; i < batches.size(); ++i) {
    EXPECT_TRUE(torch::equal(batches[i].images, expected[i].images));
    EXPECT_TRUE(torch::equal(batches[i].targets, expected[i].targets));
  }
}

TEST(BatchBuffers, are_used_again_when_nobody_holds_the_former_batch) {
  const Samples samples = labelled(8);
  BatchBuffers buffers;
  std::set<const void*> images;
  for (int pass = 0; pass < 3; ++pass) {
    BatchStream stream(samples, {.batch_size = 4}, &buffers);
    while (const auto batch = stream.next()) images.insert(batch->images.const_data_ptr());
  }
  EXPECT_EQ(images.size(), 1U);
}

TEST(BatchBuffers, leave_alone_what_somebody_holds) {
  const Samples samples = labelled(12);
  BatchBuffers buffers;
  BatchStream stream(samples, {.batch_size = 4}, &buffers);
  const Batch first = *stream.next();
  const torch::Tensor view = stream.next()->images.select(0, 1);
  const Batch third = *stream.next();
  EXPECT_TRUE(torch::equal(first.images.select(0, 1), torch::full({3, 4, 4}, 1.0)));
  EXPECT_TRUE(torch::equal(view, torch::full({3, 4, 4}, 5.0)));
  EXPECT_TRUE(torch::equal(third.images.select(0, 1), torch::full({3, 4, 4}, 9.0)));
  EXPECT_TRUE(torch::equal(first.targets, torch::arange(4)));
}

TEST(BatchBuffers, hold_no_more_than_a_few_batches) {
  BatchBuffers buffers;
  const torch::Tensor first = buffers.buffer({1}, torch::kFloat32, torch::MemoryFormat::Contiguous);
  for (std::int64_t size = 2; size < 20; ++size) {
    buffers.buffer({size}, torch::kFloat32, torch::MemoryFormat::Contiguous);
  }
  EXPECT_EQ(first.use_count(), 1U);
}

TEST(BatchStream, never_hands_out_the_stored_memory) {
  Samples samples = labelled(4);
  samples.images = samples.images.to(torch::kFloat32);
  const torch::Tensor before = samples.images.clone();
  std::vector<Batch> batches = all_of({samples, {.batch_size = 4}});
  batches[0].images.zero_();
  EXPECT_TRUE(torch::equal(samples.images, before));
}

}  // namespace
}  // namespace harmofl
