// SPDX-License-Identifier: Apache-2.0
#include "io/shard/shard_header.hpp"

#include "harmofl/base/error.hpp"
#include "io/shard/shard_format.hpp"

namespace harmofl::shard_format {
namespace {

void check_version(const hdf5::File& file) {
  const std::int64_t found = file.int_attribute("/", "format_version");
  if (found == version) return;
  file.fail("/", concat("attribute 'format_version': expected ", version, ", found ", found));
}

Task read_task(const hdf5::File& file) {
  const std::string name = file.string_attribute("/", "task");
  for (const Task task : {Task::segmentation, Task::classification}) {
    if (name == to_string(task)) return task;
  }
  file.fail("/",
            "attribute 'task': expected 'segmentation' or 'classification', found '" + name + "'");
}

PixelType read_pixel_type(const hdf5::File& file, const std::string& images, hdf5::Type type) {
  if (type == hdf5::Type::uint8) return PixelType::uint8;
  if (type == hdf5::Type::float32) return PixelType::float32;
  file.fail(images, concat("expected elements of type uint8 or float32, found ", to_string(type)));
}

/// Distances from pixel to pixel, which shards of photographs do not have.
std::optional<std::array<double, 2>> read_spacing(const hdf5::File& file) {
  if (!file.has_attribute("/", "spacing")) return std::nullopt;
  const std::vector<double> found = file.floats_attribute("/", "spacing");
  if (found.size() != 2) {
    file.fail("/", concat("attribute 'spacing': expected two distances in mm, found ", found.size(),
                          " numbers"));
  }
  return std::array<double, 2>{found[0], found[1]};
}

/// Checks shape, type and checksums of one dataset; returns its checksum of the content.
std::string check_dataset(const hdf5::File& file, const std::string& name, hdf5::Type type,
                          const std::vector<std::int64_t>& shape) {
  const hdf5::DatasetInfo found = file.dataset_info(name);
  if (found.type != type) {
    file.fail(name, concat("expected elements of type ", to_string(type), ", found ",
                           to_string(found.type)));
  }
  if (found.shape != shape) {
    file.fail(name,
              concat("expected the shape ", hdf5::to_string(shape), " (as many samples as ",
                     "ids, sizes as in /train/images), found ", hdf5::to_string(found.shape)));
  }
  if (found.count() > 0 && !found.fletcher32) {
    file.fail(name, "expected HDF5's Fletcher-32 checksums on the chunks, found none");
  }
  return file.string_attribute(name, "xxh3");
}

/// Patients: there are none in shards that name nobody, which all older ones do.
std::vector<std::string> read_groups(const hdf5::File& file, Split split, std::int64_t count) {
  const std::string name = object(split, "groups");
  if (!file.exists(name)) return {};
  std::vector<std::string> groups = file.read_strings(name);
  if (std::ssize(groups) != count) {
    file.fail(name, concat("expected ", count, " names (as many as ids), found ", groups.size()));
  }
  check_printable(file.path(), name, groups);
  return groups;
}

}  // namespace

ShardInfo read_info(const hdf5::File& file) {
  check_version(file);
  ShardInfo info;
  info.site = file.string_attribute("/", "site");
  info.task = read_task(file);
  info.class_names = file.strings_attribute("/", "class_names");
  info.intensity_scale = file.float_attribute("/", "intensity_scale");
  info.preprocessing = file.string_attribute("/", "preprocessing");
  info.source_checksum = file.string_attribute("/", "source_checksum");
  info.spacing = read_spacing(file);

  const std::string images = object(Split::train, "images");
  const hdf5::DatasetInfo found = file.dataset_info(images);
  if (found.shape.size() != 4) {
    file.fail(images, "expected the shape [N, C, H, W], found " + hdf5::to_string(found.shape));
  }
  info.pixel_type = read_pixel_type(file, images, found.type);
  info.channels = found.shape[1];
  info.height = found.shape[2];
  info.width = found.shape[3];
  check_info(file.path(), info);
  return info;
}

SplitInfo read_split_info(const hdf5::File& file, const ShardInfo& info, Split split) {
  if (!file.is_group(object(split, ""))) file.fail(object(split, ""), "this group is missing");
  SplitInfo found;
  found.ids = file.read_strings(object(split, "ids"));
  const auto count = static_cast<std::int64_t>(found.ids.size());
  found.groups = read_groups(file, split, count);
  found.image_checksum = check_dataset(file, object(split, "images"), pixel_type(info.pixel_type),
                                       image_shape(info, count));
  found.target_checksum = check_dataset(file, object(split, target_name(info.task)),
                                        target_type(info.task), target_shape(info, count));
  return found;
}

}  // namespace harmofl::shard_format
