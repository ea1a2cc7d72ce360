// SPDX-License-Identifier: Apache-2.0
#include "harmofl/data/client_data.hpp"

#include "harmofl/base/error.hpp"
#include "support/errors.hpp"
#include "support/temp_folder.hpp"

#include <gmock/gmock.h>
#include <torch/types.h>

#include <cstring>
#include <string>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t height = 4;
constexpr std::int64_t width = 5;

ShardInfo info_of(Task task, PixelType type) {
  ShardInfo info;
  info.site = "north";
  info.task = task;
  info.class_names = {"a", "b", "c"};
  info.pixel_type = type;
  info.channels = 2;
  info.height = height;
  info.width = width;
  info.intensity_scale = 100.0;
  info.preprocessing = "{}";
  return info;
}

/// `count` samples whose values count up from 0, called `name` and a number.
SplitData counting(const ShardInfo& info, std::int64_t count, const std::string& name) {
  SplitData data;
  const std::int64_t values = count * info.values_per_image();
  const torch::Tensor numbers = torch::arange(values).to(
      info.pixel_type == PixelType::uint8 ? torch::kUInt8 : torch::kFloat32);
  data.images.resize(static_cast<std::size_t>(values) * size_bytes(info.pixel_type));
  std::memcpy(data.images.data(), numbers.data_ptr(), data.images.size());
  for (std::int64_t i = 0; i < count; ++i) {
    data.ids.push_back(name + std::to_string(i));
    if (info.task == Task::classification) data.labels.push_back(i % 3);
  }
  if (info.task == Task::segmentation) {
    for (std::int64_t p = 0; p < count * info.pixels(); ++p) {
      data.masks.push_back(static_cast<std::uint8_t>(p % 3));
    }
  }
  return data;
}

ClientData written_and_loaded(Task task, PixelType type) {
  const test::TempFolder folder;
  const ShardInfo info = info_of(task, type);
  ShardWriter writer(folder / "north.h5", info);
  writer.write(Split::train, counting(info, 3, "train"));
  writer.write(Split::val, counting(info, 1, "val"));
  writer.commit();
  return load_client(folder / "north.h5", torch::kCPU);
}

TEST(LoadClient, reads_masks_and_byte_images) {
  const ClientData client = written_and_loaded(Task::segmentation, PixelType::uint8);
  EXPECT_EQ(client.site, "north");
  EXPECT_EQ(client.task, Task::segmentation);
  EXPECT_EQ(client.classes, 3);
  const Samples& train = client.split(Split::train);
  EXPECT_EQ(train.count(), 3);
  EXPECT_EQ(train.intensity_scale, 100.0);
  const torch::Tensor expected =
      torch::arange(3 * 2 * height * width).view({3, 2, height, width}).to(torch::kUInt8);
  EXPECT_TRUE(torch::equal(train.images, expected));
  EXPECT_EQ(train.targets.scalar_type(), torch::kUInt8);
  EXPECT_EQ(train.targets.sizes(), (std::vector<std::int64_t>{3, height, width}));
  EXPECT_EQ(train.targets[1][0][1].item<int>(), (height * width + 1) % 3);
}

TEST(LoadClient, reads_labels_and_float_images) {
  const ClientData client = written_and_loaded(Task::classification, PixelType::float32);
  const Samples& train = client.split(Split::train);
  EXPECT_EQ(train.images.scalar_type(), torch::kFloat32);
  EXPECT_EQ(train.images[2][1][3][4].item<float>(), 3 * 2 * height * width - 1);
  EXPECT_TRUE(torch::equal(train.targets, torch::arange(3)));
}

TEST(LoadClient, gives_empty_tensors_for_an_empty_split) {
  const ClientData client = written_and_loaded(Task::segmentation, PixelType::uint8);
  EXPECT_EQ(client.split(Split::val).count(), 1);
  EXPECT_EQ(client.split(Split::test).count(), 0);
  EXPECT_EQ(client.split(Split::test).images.dim(), 4);
}

/// Three shards of different pixels in one folder, and a pool of them.
class LoadPart : public testing::Test {
 protected:
  void write(const std::string& site, const ShardInfo& info, std::uint8_t first) {
    ShardInfo named = info;
    named.site = site;
    paths_.push_back(folder_ / (site + ".h5"));
    ShardWriter writer(paths_.back(), named);
    for (const Split split : all_splits) {
      SplitData data = counting(info, 5, concat(to_string(split)));
      if (info.pixel_type == PixelType::uint8) data.images[0] = std::byte{first};
      writer.write(split, data);
    }
    writer.commit();
  }

  test::TempFolder folder_;
  std::vector<std::filesystem::path> paths_;
};

TEST_F(LoadPart, joins_the_samples_of_several_shards_in_order) {
  const ShardInfo info = info_of(Task::segmentation, PixelType::uint8);
  for (const std::string site : {"a", "b", "c"}) write(site, info, 77);
  ShardPool pool(paths_);
  const ClientPart part{"made", {{{{0, 4}, {2, 0}, {2, 1}, {2, 3}}, {{1, 2}}, {}}}};
  const ClientData client = load_client(part, pool, torch::kCPU);
  EXPECT_EQ(client.site, "made");
  EXPECT_EQ(client.classes, 3);
  const Samples a = load_client(paths_[0], torch::kCPU).split(Split::train);
  const Samples c = load_client(paths_[2], torch::kCPU).split(Split::train);
  const Samples& train = client.split(Split::train);
  EXPECT_EQ(train.intensity_scale, 100.0);
  const torch::Tensor rows = torch::tensor({0, 1, 3});
  EXPECT_TRUE(torch::equal(train.images,
                           torch::cat({a.images.narrow(0, 4, 1), c.images.index_select(0, rows)})));
  EXPECT_TRUE(torch::equal(
      train.targets, torch::cat({a.targets.narrow(0, 4, 1), c.targets.index_select(0, rows)})));
  EXPECT_EQ(client.split(Split::val).count(), 1);
  EXPECT_EQ(client.split(Split::test).count(), 0);
  EXPECT_EQ(client.split(Split::test).images.dim(), 4);
  EXPECT_EQ(client.split(Split::test).targets.dim(), 3);
}

TEST_F(LoadPart, by_site_is_what_a_whole_shard_is) {
  for (const Task task : {Task::segmentation, Task::classification}) {
    write(concat(to_string(task)), info_of(task, PixelType::float32), 0);
    const std::vector<ShardIndex> shards{read_shard_index(paths_.back())};
    ShardPool pool({paths_.back()});
    const Partition partition = make_partition(shards, {});
    const ClientData part = load_client(partition.clients.at(0), pool, torch::kCPU);
    const ClientData whole = load_client(paths_.back(), torch::kCPU);
    EXPECT_EQ(part.site, whole.site);
    EXPECT_EQ(part.task, whole.task);
    for (const Split split : all_splits) {
      EXPECT_TRUE(torch::equal(part.split(split).images, whole.split(split).images));
      EXPECT_TRUE(torch::equal(part.split(split).targets, whole.split(split).targets));
      EXPECT_EQ(part_checksum(partition.clients[0], split, shards),
                ShardReader(paths_.back()).stored_checksum(split));
    }
  }
}

TEST_F(LoadPart, refuses_to_mix_shards_that_differ_and_names_both) {
  const ShardInfo info = info_of(Task::segmentation, PixelType::uint8);
  write("a", info, 0);
  const auto message = [&](auto change) {
    ShardInfo other = info;
    change(other);
    write("b", other, 0);
    ShardPool pool({paths_.front(), paths_.back()});
    const ClientPart part{"made", {{{{0, 0}}, {}, {{1, 0}}}}};
    return test::user_error_of([&] { load_client(part, pool, torch::kCPU); });
  };
  EXPECT_THAT(message([](ShardInfo& other) { other.intensity_scale = 255.0; }),
              testing::AllOf(testing::HasSubstr("a.h5 and "), testing::HasSubstr("b.h5: "),
                             testing::HasSubstr("/ 100"), testing::HasSubstr("/ 255")));
  EXPECT_THAT(message([](ShardInfo& other) { other.pixel_type = PixelType::float32; }),
              testing::HasSubstr("float32 2x4x5"));
  EXPECT_THAT(message([](ShardInfo& other) { other.class_names[1] = "x"; }),
              testing::HasSubstr("a, x, c"));
}

TEST(LoadClient, names_a_missing_file) {
  try {
    load_client("/nowhere/north.h5", torch::kCPU);
    FAIL() << "nothing was thrown";
  } catch (const UserError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("/nowhere/north.h5"));
  }
}

}  // namespace
}  // namespace harmofl
