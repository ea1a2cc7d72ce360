// SPDX-License-Identifier: Apache-2.0
#include "io/shard/shard_format.hpp"

#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"

#include <cmath>
#include <cstring>
#include <span>

namespace harmofl::shard_format {
namespace {

constexpr std::size_t max_classes = 256;  // masks are uint8
/// Of an image: HDF5 stores a chunk's size in 32 bits.
constexpr std::int64_t max_values = 0xFFFFFFFF / sizeof(float);

void check_finite(const std::filesystem::path& file, const ShardInfo& info, Split split,
                  const SplitData& data) {
  const auto per_image = static_cast<std::size_t>(info.values_per_image());
  std::vector<float> image(per_image);
  for (std::size_t i = 0; i < data.ids.size(); ++i) {
    const std::size_t bytes = per_image * sizeof(float);
    std::memcpy(image.data(), data.images.data() + i * bytes, bytes);
    for (const float value : image) {
      HARMOFL_VALIDATE(std::isfinite(value), file.string(), ": ", object(split, "images"),
                       ": expected finite pixels, found ", value, " in image '", data.ids[i], "'. ",
                       remedy);
    }
  }
}

/// `per_sample` targets belong to each id.
template <class Value>
void check_classes(const std::filesystem::path& file, const ShardInfo& info, Split split,
                   const std::vector<Value>& targets, std::int64_t per_sample,
                   const std::vector<std::string>& ids) {
  const auto classes = static_cast<std::int64_t>(info.class_names.size());
  for (std::size_t i = 0; i < targets.size(); ++i) {
    const auto value = static_cast<std::int64_t>(targets[i]);
    HARMOFL_VALIDATE(value >= 0 && value < classes, file.string(), ": ",
                     object(split, target_name(info.task)), ": expected classes 0 to ", classes - 1,
                     ", found ", value, " in image '",
                     ids[i / static_cast<std::size_t>(per_sample)], "'. ", remedy);
  }
}

}  // namespace

std::string object(Split split, const std::string& name) {
  return concat("/", to_string(split), name.empty() ? "" : "/", name);
}

std::string target_name(Task task) { return task == Task::segmentation ? "masks" : "labels"; }

hdf5::Type target_type(Task task) {
  return task == Task::segmentation ? hdf5::Type::uint8 : hdf5::Type::int64;
}

hdf5::Type pixel_type(PixelType type) {
  return type == PixelType::uint8 ? hdf5::Type::uint8 : hdf5::Type::float32;
}

std::vector<std::int64_t> image_shape(const ShardInfo& info, std::int64_t count) {
  return {count, info.channels, info.height, info.width};
}

std::vector<std::int64_t> target_shape(const ShardInfo& info, std::int64_t count) {
  if (info.task == Task::classification) return {count};
  return {count, info.height, info.width};
}

std::string image_checksum(const SplitData& data) { return checksum(data.images); }

std::string target_checksum(Task task, const SplitData& data) {
  return task == Task::segmentation ? checksum(std::as_bytes(std::span(data.masks)))
                                    : checksum(std::as_bytes(std::span(data.labels)));
}

void check_printable(const std::filesystem::path& file, const std::string& object,
                     const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    HARMOFL_VALIDATE(is_printable(name), file.string(), ": ", object, ": the name '", name,
                     "' is not UTF-8 without control characters. Rename it. ", remedy);
  }
}

void check_info(const std::filesystem::path& file, const ShardInfo& info) {
  const std::string name = file.string();
  HARMOFL_VALIDATE(!info.site.empty(), name, ": /: attribute 'site': expected a name, found none. ",
                   remedy);
  HARMOFL_VALIDATE(info.site.find('/') == std::string::npos, name, ": /: attribute 'site': '",
                   info.site, "' has a '/', which names must not have. ", remedy);
  HARMOFL_VALIDATE(info.site != "." && info.site != "..", name, ": /: attribute 'site': '",
                   info.site, "' names a folder. ", remedy);
  check_printable(file, "/: attribute 'site'", {info.site});
  check_printable(file, "/: attribute 'class_names'", info.class_names);
  const std::size_t classes = info.class_names.size();
  HARMOFL_VALIDATE(classes >= 1 && classes <= max_classes, name,
                   ": /: attribute 'class_names': expected 1 to ", max_classes, " names, found ",
                   classes, ". ", remedy);
  HARMOFL_VALIDATE(std::isfinite(info.intensity_scale) && info.intensity_scale > 0.0, name,
                   ": /: attribute 'intensity_scale': expected a number above 0, found ",
                   info.intensity_scale, ". ", remedy);
  for (const double distance : info.spacing.value_or(std::array<double, 2>{1.0, 1.0})) {
    HARMOFL_VALIDATE(std::isfinite(distance) && distance > 0.0, name,
                     ": /: attribute 'spacing': expected distances above 0, in mm, found ",
                     distance, ". ", remedy);
  }
  HARMOFL_VALIDATE(info.channels > 0 && info.height > 0 && info.width > 0, name,
                   ": images: expected a shape [N, C, H, W] with C, H and W above 0, found ",
                   hdf5::to_string({info.channels, info.height, info.width}), ". ", remedy);
  // One at a time: the product of three large numbers may be anything.
  const bool fits = info.channels <= max_values && info.height <= max_values / info.channels &&
                    info.width <= max_values / info.channels / info.height;
  HARMOFL_VALIDATE(fits, name, ": an image of ",
                   hdf5::to_string({info.channels, info.height, info.width}),
                   " values is too large for HDF5; cut images into patches. ", remedy);
}

void check_targets(const std::filesystem::path& file, const ShardInfo& info, Split split,
                   const SplitData& data) {
  if (info.task == Task::segmentation) {
    check_classes(file, info, split, data.masks, info.pixels(), data.ids);
  } else {
    check_classes(file, info, split, data.labels, 1, data.ids);
  }
}

void check_values(const std::filesystem::path& file, const ShardInfo& info, Split split,
                  const SplitData& data) {
  if (info.pixel_type == PixelType::float32) check_finite(file, info, split, data);
  check_targets(file, info, split, data);
}

void check_ids(const std::filesystem::path& file, Split split, const std::vector<std::string>& ids,
               std::set<std::string>& seen) {
  check_printable(file, object(split, "ids"), ids);
  for (const std::string& id : ids) {
    HARMOFL_VALIDATE(seen.insert(id).second, file.string(), ": ", object(split, "ids"),
                     ": expected every id once in the shard, found '", id, "' twice. ", remedy);
  }
}

}  // namespace harmofl::shard_format
