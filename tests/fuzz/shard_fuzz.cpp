// SPDX-License-Identifier: Apache-2.0
#include "fuzz/hdf5_changes.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/io/shard.hpp"
#include "support/file_content.hpp"
#include "support/temp_folder.hpp"

namespace harmofl::fuzz {
namespace {

ShardInfo info_of(Task task) {
  ShardInfo info;
  info.site = "clinic";
  info.task = task;
  info.class_names = {"background", "nucleus"};
  info.pixel_type = task == Task::segmentation ? PixelType::uint8 : PixelType::float32;
  info.channels = 1;
  info.height = 3;
  info.width = 4;
  if (task == Task::segmentation) info.spacing = {0.5, 0.25};
  return info;
}

/// Three samples, of which two have a patient; all values are 0.
SplitData split_of(const ShardInfo& info, const std::string& prefix) {
  SplitData data;
  for (int i = 0; i < 3; ++i) data.ids.push_back(prefix + std::to_string(i));
  data.groups = {"p", "", "q"};
  data.images.resize(static_cast<std::size_t>(3 * info.values_per_image()) *
                     size_bytes(info.pixel_type));
  if (info.task == Task::segmentation) {
    data.masks.resize(static_cast<std::size_t>(3 * info.pixels()));
  } else {
    data.labels.resize(3);
  }
  return data;
}

std::string intact(Task task) {
  const test::TempFolder folder;
  const ShardInfo info = info_of(task);
  ShardWriter writer(folder / "clinic.h5", info);
  writer.write(Split::train, split_of(info, "a"));
  writer.write(Split::val, split_of(info, "b"));
  writer.commit();
  return test::content_of(folder / "clinic.h5");
}

Hdf5Objects objects() {
  Hdf5Objects found;
  for (const char* split : {"/train", "/val", "/test"}) {
    found.names.emplace_back(split);
    for (const char* name : {"/images", "/masks", "/labels", "/ids", "/groups"}) {
      found.names.push_back(std::string(split) + name);
    }
  }
  found.attributes = {
      "format_version",  "site",    "task", "class_names", "intensity_scale", "preprocessing",
      "source_checksum", "spacing", "xxh3"};
  return found;
}

}  // namespace

void shard(std::string_view input) {
  static const std::string masks = intact(Task::segmentation);
  static const std::string labels = intact(Task::classification);
  static const Hdf5Objects known = objects();
  const bool of_masks = input.empty() || input.front() % 2 == 0;
  if (!input.empty()) input.remove_prefix(1);
  const ShardReader reader(stored(changed_hdf5(of_masks ? masks : labels, known, input)));
  const ShardInfo& info = reader.info();
  for (const Split split : all_splits) {
    const SplitData data = reader.read(split);
    require(data.count() == reader.count(split), "a name a sample");
    require(data.groups.empty() || std::ssize(data.groups) == data.count(), "a patient a sample");
    require(std::ssize(data.images) == data.count() * info.values_per_image() *
                                           static_cast<std::int64_t>(size_bytes(info.pixel_type)),
            "pixels of every sample");
    const auto classes = std::ssize(info.class_names);
    for (const std::uint8_t value : data.masks) require(value < classes, "masks hold classes");
    for (const std::int64_t value : data.labels) {
      require(value >= 0 && value < classes, "labels are classes");
    }
  }
}

}  // namespace harmofl::fuzz
