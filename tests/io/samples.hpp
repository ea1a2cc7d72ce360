// SPDX-License-Identifier: Apache-2.0
/// Small shards for the tests of io.
#pragma once

#include "harmofl/io/shard.hpp"
#include "support/errors.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::test {

inline ShardInfo small_info(Task task = Task::segmentation, PixelType pixels = PixelType::uint8) {
  ShardInfo info;
  info.site = "clinic";
  info.task = task;
  info.class_names = {"background", "nucleus"};
  info.pixel_type = pixels;
  info.channels = 3;
  info.height = 4;
  info.width = 5;
  info.intensity_scale = pixels == PixelType::uint8 ? 255.0 : 1.0;
  info.preprocessing = R"({"size":"4x5"})";
  info.source_checksum = "0123";
  return info;
}

/// `count` samples with ids "<prefix>0", "<prefix>1", ...; every pixel differs from its neighbours.
inline SplitData small_split(const ShardInfo& info, std::int64_t count, const std::string& prefix) {
  SplitData data;
  const auto values = static_cast<std::size_t>(count * info.values_per_image());
  if (info.pixel_type == PixelType::uint8) {
    for (std::size_t i = 0; i < values; ++i) data.images.push_back(std::byte(i * 37 % 251));
  } else {
    std::vector<float> pixels(values);
    for (std::size_t i = 0; i < values; ++i) pixels[i] = static_cast<float>(i) / 7.0f;
    data.images.resize(values * sizeof(float));
    std::memcpy(data.images.data(), pixels.data(), data.images.size());
  }
  for (std::int64_t i = 0; i < count; ++i) {
    data.ids.push_back(prefix + std::to_string(i));
    if (info.task == Task::classification) data.labels.push_back(i % 2);
  }
  if (info.task == Task::segmentation) {
    for (std::int64_t i = 0; i < count * info.pixels(); ++i) {
      data.masks.push_back(static_cast<std::uint8_t>(i % 3 == 0));
    }
  }
  return data;
}

/// Writes a shard of 4 train, 2 val and 0 test samples.
inline void write_small_shard(const std::filesystem::path& path, const ShardInfo& info,
                              int deflate = 0) {
  ShardWriter writer(path, info, deflate);
  writer.write(Split::train, small_split(info, 4, "a"));
  writer.write(Split::val, small_split(info, 2, "b"));
  writer.commit();
}

}  // namespace harmofl::test
