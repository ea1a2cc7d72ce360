// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic/synthetic.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/data/client_data.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

namespace harmofl {
namespace {

SyntheticOptions small(Task task = Task::segmentation) {
  SyntheticOptions options;
  options.task = task;
  options.sites = 3;
  options.train = 12;
  options.val = 4;
  options.test = 2;
  options.height = 48;
  options.width = 32;
  options.seed = 11;
  return options;
}

SplitData train_of(const SyntheticShard& shard) {
  return shard.splits[static_cast<std::size_t>(Split::train)];
}

/// Training images as float32 [N, 3, H, W].
torch::Tensor images_of(const SyntheticShard& shard) {
  SplitData data = train_of(shard);
  return torch::from_blob(data.images.data(),
                          {data.count(), 3, shard.info.height, shard.info.width}, torch::kUInt8)
      .to(torch::kFloat32);
}

/// Mean and standard deviation of each channel: what a scanner changes most.
torch::Tensor statistics_of(const SyntheticShard& shard) {
  const torch::Tensor images = images_of(shard);
  return torch::cat({images.mean({0, 2, 3}), images.transpose(0, 1).flatten(1).std(1)});
}

/// Largest difference in statistics between any two sites, in grey levels.
double largest_difference(const SyntheticOptions& options) {
  double largest = 0.0;
  for (std::int64_t a = 0; a < options.sites; ++a) {
    for (std::int64_t b = 0; b < a; ++b) {
      const torch::Tensor difference =
          statistics_of(synthesize_site(options, a)) - statistics_of(synthesize_site(options, b));
      largest = std::max(largest, difference.abs().max().item<double>());
    }
  }
  return largest;
}

TEST(Synthetic, is_the_same_every_time) {
  const SyntheticShard first = synthesize_site(small(), 1);
  const SyntheticShard second = synthesize_site(small(), 1);
  EXPECT_EQ(train_of(first).images, train_of(second).images);
  EXPECT_EQ(train_of(first).masks, train_of(second).masks);
  EXPECT_EQ(first.info.preprocessing, second.info.preprocessing);
}

TEST(Synthetic, gives_a_site_the_same_images_whatever_else_is_made) {
  SyntheticOptions more = small();
  more.sites = 7;
  more.train = 5;
  const std::vector<std::byte> few = train_of(synthesize_site(more, 1)).images;
  std::vector<std::byte> many = train_of(synthesize_site(small(), 1)).images;
  many.resize(few.size());
  EXPECT_EQ(few, many);
}

TEST(Synthetic, gives_every_site_split_and_seed_its_own_scenes) {
  SyntheticOptions other = small();
  other.seed = 12;
  const SyntheticShard shard = synthesize_site(small(), 0);
  const std::vector<std::uint8_t> masks = train_of(shard).masks;
  EXPECT_NE(masks, train_of(synthesize_site(small(), 1)).masks);
  EXPECT_NE(masks, train_of(synthesize_site(other, 0)).masks);
  const auto& val = shard.splits[static_cast<std::size_t>(Split::val)].masks;
  EXPECT_FALSE(std::equal(val.begin(), val.end(), masks.begin()));
}

TEST(Synthetic, makes_sites_that_differ) { EXPECT_GT(largest_difference(small()), 20.0); }

TEST(Synthetic, makes_sites_alike_without_shift) {
  SyntheticOptions options = small();
  options.shift = 0.0;
  options.train = 48;
  EXPECT_LT(largest_difference(options), 8.0) << "only chance is left";
}

TEST(Synthetic, fills_masks_with_a_sensible_share_of_nuclei) {
  const std::vector<std::uint8_t> masks = train_of(synthesize_site(small(), 0)).masks;
  const auto inside = static_cast<double>(std::count(masks.begin(), masks.end(), 1));
  EXPECT_LE(*std::max_element(masks.begin(), masks.end()), 1);
  const double share = inside / static_cast<double>(masks.size());
  EXPECT_GT(share, 0.08);
  EXPECT_LT(share, 0.5);
}

TEST(Synthetic, makes_classes_that_brightness_does_not_tell_apart) {
  SyntheticOptions options = small(Task::classification);
  options.train = 200;
  const SyntheticShard shard = synthesize_site(options, 0);
  const SplitData train = train_of(shard);
  EXPECT_EQ(std::count(train.labels.begin(), train.labels.end(), 1), 100);
  const torch::Tensor brightness = images_of(shard).mean({1, 2, 3});
  const torch::Tensor labels = torch::tensor(train.labels);
  const double difference =
      (brightness.masked_select(labels == 0).mean() - brightness.masked_select(labels == 1).mean())
          .abs()
          .item<double>();
  EXPECT_LT(difference, 0.5 * brightness.std().item<double>());
  EXPECT_TRUE(train.masks.empty());
}

TEST(Synthetic, writes_shards_that_load) {
  const test::TempFolder folder;
  for (const Task task : {Task::segmentation, Task::classification}) {
    const SyntheticOptions options = small(task);
    const auto paths = synthesize(options, folder / std::string(to_string(task)));
    ASSERT_EQ(std::ssize(paths), options.sites);
    for (std::int64_t site = 0; site < options.sites; ++site) {
      const ClientData client = load_client(paths[static_cast<std::size_t>(site)], torch::kCPU);
      EXPECT_EQ(client.site, "site_" + std::to_string(site));
      EXPECT_EQ(client.task, task);
      EXPECT_EQ(client.classes, 2);
      EXPECT_EQ(client.split(Split::train).count(), options.train);
      EXPECT_EQ(client.split(Split::val).count(), options.val);
      EXPECT_EQ(client.split(Split::test).count(), options.test);
      EXPECT_EQ(client.split(Split::test).images.sizes(),
                (std::vector<std::int64_t>{2, 3, options.height, options.width}));
      EXPECT_EQ(client.split(Split::test).intensity_scale, 255.0);
    }
  }
}

TEST(Synthetic, records_the_scanner_of_the_site) {
  const SyntheticShard shard = synthesize_site(small(), 2);
  EXPECT_THAT(shard.info.preprocessing, testing::HasSubstr("\"gamma\""));
  EXPECT_THAT(shard.info.preprocessing, testing::HasSubstr("\"seed\":11"));
}

TEST(Synthetic, makes_unequal_sites_on_request) {
  SyntheticOptions options = small();
  options.unequal = true;
  EXPECT_EQ(train_of(synthesize_site(options, 0)).count(), 12);
  EXPECT_EQ(train_of(synthesize_site(options, 1)).count(), 6);
  EXPECT_EQ(train_of(synthesize_site(options, 2)).count(), 4);
}

TEST(Synthetic, makes_as_many_samples_of_each_site_as_are_listed) {
  SyntheticOptions options = small();
  options.by_site = {{{3, 1, 5}, {}, {0, 2, 1}}};
  const auto counts = [&](std::int64_t site) {
    std::vector<std::int64_t> found;
    for (const SplitData& split : synthesize_site(options, site).splits) {
      found.push_back(split.count());
    }
    return found;
  };
  EXPECT_THAT(counts(0), testing::ElementsAre(3, 4, 0));
  EXPECT_THAT(counts(2), testing::ElementsAre(5, 4, 1));
  options.by_site[0] = {3, 1};
  EXPECT_THAT(test::user_error_of([&] { synthesize_site(options, 0); }),
              testing::HasSubstr("2 numbers of train samples for 3 sites"));
  options.by_site[0] = {3, 0, 1};
  EXPECT_THROW(synthesize_site(options, 0), UserError) << "a site without training samples";
}

TEST(Synthetic, writes_part_by_part_what_it_makes_at_once) {
  const test::TempFolder folder;
  SyntheticOptions options = small();
  options.sites = 1;
  options.height = options.width = 512;  // 10 of them are a part
  options.train = 11;
  options.val = options.test = 1;
  const SyntheticShard whole = synthesize_site(options, 0);
  const SplitData written =
      ShardReader(synthesize(options, folder / "shards").front()).read(Split::train);
  EXPECT_EQ(written.images, train_of(whole).images);
  EXPECT_EQ(written.masks, train_of(whole).masks);
  EXPECT_EQ(written.ids, train_of(whole).ids);
  EXPECT_EQ(written.groups, train_of(whole).groups);
}

TEST(Synthetic, adds_no_shards_to_those_of_another_federation) {
  const test::TempFolder folder;
  SyntheticOptions fewer = small();
  fewer.sites = 2;
  synthesize(small(), folder / "shards");
  EXPECT_NO_THROW(synthesize(small(), folder / "shards")) << "all are made anew";
  EXPECT_THAT(
      test::user_error_of([&] { synthesize(fewer, folder / "shards"); }),
      testing::AllOf(testing::HasSubstr("site_2.h5"), testing::HasSubstr("another folder")));
}

TEST(Synthetic, refuses_a_site_beyond_the_memory_of_the_machine) {
  const test::TempFolder folder;
  SyntheticOptions options = small();
  options.train = std::int64_t{1} << 40;
  EXPECT_THAT(test::user_error_of([&] { synthesize(options, folder / "shards"); }),
              testing::HasSubstr("Make fewer images"));
}

TEST(Synthetic, makes_images_of_16_pixels_and_names_what_they_show) {
  SyntheticOptions options = small();
  options.height = options.width = 16;
  EXPECT_THAT(synthesize_site(options, 0).info.class_names,
              testing::ElementsAre("background", "nucleus"));
  EXPECT_THAT(synthesize_site(small(Task::classification), 0).info.class_names,
              testing::ElementsAre("round", "elongated"));
}

TEST(Synthetic, refuses_what_makes_no_images) {
  const auto refused = [](auto change) {
    SyntheticOptions options = small();
    change(options);
    EXPECT_THROW(synthesize_site(options, 0), UserError);
  };
  refused([](auto& o) { o.sites = 0; });
  refused([](auto& o) { o.train = 0; });
  refused([](auto& o) { o.val = -1; });
  refused([](auto& o) { o.height = 15; });
  refused([](auto& o) { o.width = 15; });
  refused([](auto& o) { o.shift = -0.5; });
  refused([](auto& o) { o.shift = std::numeric_limits<double>::quiet_NaN(); });
}

TEST(Synthetic, calls_four_samples_of_a_split_one_patient) {
  const SyntheticShard shard = synthesize_site(small(), 1);
  EXPECT_THAT(shard.splits[1].groups,
              testing::ElementsAre("val_patient_00000", "val_patient_00000", "val_patient_00000",
                                   "val_patient_00000"));
  const SplitData train = train_of(shard);
  ASSERT_EQ(train.groups.size(), 12u);
  EXPECT_EQ(train.groups[3], "train_patient_00000");
  EXPECT_EQ(train.groups[4], "train_patient_00001");
}

}  // namespace
}  // namespace harmofl
