// SPDX-License-Identifier: Apache-2.0
// Shards that are written part by part, and what stands on top of them.
#include "harmofl/io/shard.hpp"
#include "io/file_size_limit.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/samples.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace {

using namespace harmofl;
using test::content_of;
using test::small_info;
using test::small_split;
using test::TempFolder;
using test::user_error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

/// Samples `first` to `end` of `all`.
SplitData part_of(const SplitData& all, const ShardInfo& info, std::size_t first, std::size_t end) {
  const auto cut = [&](const auto& values, std::size_t per_sample) {
    const auto begin = values.begin();
    return std::decay_t<decltype(values)>(begin + static_cast<std::ptrdiff_t>(first * per_sample),
                                          begin + static_cast<std::ptrdiff_t>(end * per_sample));
  };
  const auto image_bytes =
      static_cast<std::size_t>(info.values_per_image()) * size_bytes(info.pixel_type);
  const bool segmentation = info.task == Task::segmentation;
  SplitData part;
  part.ids = cut(all.ids, 1);
  if (!all.groups.empty()) part.groups = cut(all.groups, 1);
  part.images = cut(all.images, image_bytes);
  if (segmentation) part.masks = cut(all.masks, static_cast<std::size_t>(info.pixels()));
  if (!segmentation) part.labels = cut(all.labels, 1);
  return part;
}

/// `count` samples of two patients and nobody.
SplitData named_split(const ShardInfo& info, std::int64_t count, const std::string& prefix) {
  SplitData data = small_split(info, count, prefix);
  for (std::int64_t i = 0; i < count; ++i) data.groups.push_back(i % 3 == 0 ? "" : "ann");
  return data;
}

class EveryPartOfShard : public testing::TestWithParam<std::tuple<Task, int, int>> {};

/// The chunks of 10 kB are more than HDF5's cache holds.
TEST_P(EveryPartOfShard, gives_the_bytes_of_the_whole) {
  const auto [task, deflate, size] = GetParam();
  const TempFolder folder;
  ShardInfo info = small_info(task);
  info.height = 40;
  info.width = 85;
  const SplitData train = named_split(info, 230, "a");
  const SplitData test = small_split(info, 3, "b");
  {
    ShardWriter whole(folder / "whole.h5", info, deflate);
    whole.write(Split::train, train);
    whole.write(Split::test, test);
    whole.commit();
    ShardWriter parts(folder / "parts.h5", info, deflate);
    parts.begin(Split::train, 230);
    for (std::size_t first = 0, step = static_cast<std::size_t>(size); first < 230; first += step) {
      parts.append(part_of(train, info, first, std::min<std::size_t>(230, first + step)));
    }
    parts.write(Split::test, test);
    parts.begin(Split::val, 0);
    parts.commit();
  }
  // Splits are written in the order train, test, val here; `commit` adds val last as well.
  EXPECT_TRUE(content_of(folder / "parts.h5") == content_of(folder / "whole.h5"));
  const SplitData found = ShardReader(folder / "parts.h5").read(Split::train);
  EXPECT_EQ(found.images, train.images);
  EXPECT_EQ(found.masks, train.masks);
  EXPECT_EQ(found.groups, train.groups);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2);
}

INSTANTIATE_TEST_SUITE_P(Shards, EveryPartOfShard,
                         testing::Combine(testing::Values(Task::segmentation, Task::classification),
                                          testing::Values(0, 3), testing::Values(1, 7, 229)));

TEST(ShardParts, may_name_patients_late) {
  const TempFolder folder;
  const ShardInfo info = small_info();
  const SplitData all = small_split(info, 4, "a");
  SplitData second = part_of(all, info, 2, 4);
  second.groups = {"ann", ""};
  ShardWriter writer(folder / "x.h5", info);
  writer.begin(Split::train, 4);
  writer.append(part_of(all, info, 0, 2));
  writer.append(second);
  writer.commit();
  EXPECT_THAT(ShardReader(folder / "x.h5").groups(Split::train), ElementsAre("", "", "ann", ""));
}

TEST(ShardParts, must_add_up_to_what_was_begun) {
  const TempFolder folder;
  const ShardInfo info = small_info();
  const SplitData all = small_split(info, 4, "a");
  ShardWriter writer(folder / "x.h5", info);
  writer.begin(Split::train, 3);
  writer.append(part_of(all, info, 0, 2));
  EXPECT_THAT(user_error_of([&] { writer.commit(); }),
              AllOf(HasSubstr("x.h5: /train: expected 3 samples, found 2")));
  EXPECT_THAT(user_error_of([&] { writer.begin(Split::val, 1); }), HasSubstr("found 2"));
  EXPECT_THAT(user_error_of([&] { writer.append(part_of(all, info, 2, 4)); }),
              HasSubstr("expected 3 samples, found at least 4"));
  EXPECT_THAT(user_error_of([&] { writer.append(part_of(all, info, 1, 2)); }),
              HasSubstr("found 'a1' twice"));
  EXPECT_FALSE(std::filesystem::exists(folder / "x.h5"));
}

TEST(ShardParts, say_so_at_once_when_the_disk_is_full) {
  const TempFolder folder;
  ShardInfo info = small_info();
  info.height = info.width = 512;  // 768 KiB an image, 64 MiB of a file are in memory
  const SplitData one = small_split(info, 1, "a");
  ShardWriter writer(folder / "x.h5", info);
  writer.begin(Split::train, 1000);
  const test::FileSizeLimit limit(std::size_t{70} << 20);
  std::int64_t done = 0;
  const std::string message = user_error_of([&] {
    for (; done < 1000; ++done) {
      SplitData next = one;
      next.ids[0] += std::to_string(done);
      writer.append(next);
    }
  });
  EXPECT_THAT(message,
              AllOf(HasSubstr("x.h5"), HasSubstr("File too large"), HasSubstr("Free space")));
  EXPECT_LT(done, 300);
}

TEST(ShardSpacing, is_given_back_and_must_be_above_zero) {
  const TempFolder folder;
  ShardInfo info = small_info();
  test::write_small_shard(folder / "none.h5", info);
  EXPECT_FALSE(ShardReader(folder / "none.h5").info().spacing);
  info.spacing = {0.625, 0.5};
  test::write_small_shard(folder / "x.h5", info);
  EXPECT_EQ(ShardReader(folder / "x.h5").info().spacing, info.spacing);
  for (const double bad : {0.0, -1.0, HUGE_VAL, std::nan("")}) {
    info.spacing = {1.0, bad};
    EXPECT_THAT(user_error_of([&] { ShardWriter(folder / "y.h5", info); }),
                HasSubstr("attribute 'spacing': expected distances above 0"));
  }
}

TEST(ShardSpacing, must_be_two_numbers) {
  const TempFolder folder;
  test::write_small_shard(folder / "x.h5", small_info());
  const auto message = [&](const std::vector<double>& spacing) {
    hdf5::File file = hdf5::File::create(folder / "y.h5");
    for (const char* name : {"site", "task", "preprocessing", "source_checksum"}) {
      file.write_attribute("/", name,
                           std::string(name == std::string("task") ? "segmentation" : "a"));
    }
    file.write_attribute("/", "format_version", std::int64_t{1});
    file.write_attribute("/", "class_names", std::vector<std::string>{"a"});
    file.write_attribute("/", "intensity_scale", 1.0);
    file.write_attribute("/", "spacing", spacing);
    file.close();
    return user_error_of([&] { ShardReader(folder / "y.h5"); });
  };
  EXPECT_THAT(message({1.0}), HasSubstr("expected two distances in mm, found 1 numbers"));
  EXPECT_THAT(message({1.0, 1.0, 1.0}), HasSubstr("found 3 numbers"));
}

}  // namespace
