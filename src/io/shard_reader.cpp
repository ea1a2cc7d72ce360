#include "harmofl/base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/io/hdf5.hpp"
#include "harmofl/io/shard.hpp"

#include "shard_format.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <utility>

namespace harmofl {
namespace {

using shard_format::object;

/// What the file says of one split, before its pixels are read.
struct SplitInfo {
  std::vector<std::string> ids;
  std::string image_checksum;
  std::string target_checksum;
};

void check_version(const hdf5::File& file) {
  const std::int64_t found = file.int_attribute("/", "format_version");
  if (found == shard_format::version) return;
  file.fail("/", concat("attribute 'format_version': expected ", shard_format::version, ", found ",
                        found));
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

ShardInfo read_info(const hdf5::File& file) {
  check_version(file);
  ShardInfo info;
  info.site = file.string_attribute("/", "site");
  info.task = read_task(file);
  info.class_names = file.strings_attribute("/", "class_names");
  info.intensity_scale = file.float_attribute("/", "intensity_scale");
  info.preprocessing = file.string_attribute("/", "preprocessing");
  info.source_checksum = file.string_attribute("/", "source_checksum");

  const std::string images = object(Split::train, "images");
  const hdf5::DatasetInfo found = file.dataset_info(images);
  if (found.shape.size() != 4) {
    file.fail(images, "expected the shape [N, C, H, W], found " + hdf5::to_string(found.shape));
  }
  info.pixel_type = read_pixel_type(file, images, found.type);
  info.channels = found.shape[1];
  info.height = found.shape[2];
  info.width = found.shape[3];
  shard_format::check_info(file.path(), info);
  return info;
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

SplitInfo read_split_info(const hdf5::File& file, const ShardInfo& info, Split split) {
  if (!file.is_group(object(split, ""))) file.fail(object(split, ""), "this group is missing");
  SplitInfo found;
  found.ids = file.read_strings(object(split, "ids"));
  const auto count = static_cast<std::int64_t>(found.ids.size());
  found.image_checksum =
      check_dataset(file, object(split, "images"), shard_format::pixel_type(info.pixel_type),
                    shard_format::image_shape(info, count));
  found.target_checksum =
      check_dataset(file, object(split, shard_format::target_name(info.task)),
                    shard_format::target_type(info.task), shard_format::target_shape(info, count));
  return found;
}

void check_sum(const hdf5::File& file, const std::string& dataset, const std::string& stored,
               const std::string& found) {
  if (stored == found) return;
  file.fail(dataset, concat("expected content with the checksum ", stored,
                            " (attribute 'xxh3'), found ", found, ": the data are damaged"));
}

}  // namespace

struct ShardReader::Impl {
  hdf5::File file;
  ShardInfo info;
  std::map<Split, SplitInfo> splits;
};

ShardReader::ShardReader(std::filesystem::path path) {
  hdf5::File file = hdf5::File::open(path, shard_format::remedy);
  ShardInfo info = read_info(file);
  std::map<Split, SplitInfo> splits;
  std::set<std::string> ids;
  for (const Split split : all_splits) {
    splits[split] = read_split_info(file, info, split);
    shard_format::check_unique(path, split, splits[split].ids, ids);
  }
  impl_.reset(new Impl{std::move(file), std::move(info), std::move(splits)});
}

ShardReader::~ShardReader() = default;
ShardReader::ShardReader(ShardReader&&) noexcept = default;
ShardReader& ShardReader::operator=(ShardReader&&) noexcept = default;

const std::filesystem::path& ShardReader::path() const { return impl_->file.path(); }

const ShardInfo& ShardReader::info() const { return impl_->info; }

std::int64_t ShardReader::count(Split split) const {
  return static_cast<std::int64_t>(impl_->splits.at(split).ids.size());
}

std::string ShardReader::stored_checksum(Split split) const {
  const SplitInfo& stored = impl_->splits.at(split);
  const std::string both = stored.image_checksum + stored.target_checksum;
  return checksum(std::as_bytes(std::span(both)));
}

SplitData ShardReader::read(Split split, std::int64_t most) const {
  const auto& [file, info, splits] = *impl_;
  const SplitInfo& stored = splits.at(split);
  const bool whole = most < 0 || most >= count(split);
  const std::int64_t rows = whole ? count(split) : most;
  const std::string images = object(split, "images");
  const std::string targets = object(split, shard_format::target_name(info.task));

  SplitData data;
  data.ids.assign(stored.ids.begin(), stored.ids.begin() + rows);
  data.images.resize(static_cast<std::size_t>(rows * info.values_per_image()) *
                     size_bytes(info.pixel_type));
  file.read(images, shard_format::pixel_type(info.pixel_type), data.images.data(), rows);
  if (info.task == Task::segmentation) {
    data.masks.resize(static_cast<std::size_t>(rows * info.pixels()));
    file.read(targets, hdf5::Type::uint8, data.masks.data(), rows);
  } else {
    data.labels.resize(static_cast<std::size_t>(rows));
    file.read(targets, hdf5::Type::int64, data.labels.data(), rows);
  }
  if (whole) {
    check_sum(file, images, stored.image_checksum, shard_format::image_checksum(data));
    check_sum(file, targets, stored.target_checksum,
              shard_format::target_checksum(info.task, data));
  }
  shard_format::check_values(file.path(), info, split, data);
  return data;
}

}  // namespace harmofl
