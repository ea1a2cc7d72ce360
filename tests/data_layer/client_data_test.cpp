#include "harmofl/data/client_data.hpp"

#include "harmofl/base/error.hpp"

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
