// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/io/shard.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/shard/shard_format.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace harmofl {
namespace {

void check_sizes(const std::filesystem::path& file, const ShardInfo& info, Split split,
                 const SplitData& data) {
  const auto expect = [&](const std::string& name, std::size_t expected, std::size_t found) {
    HARMOFL_VALIDATE(expected == found, file.string(), ": ", shard_format::object(split, name),
                     ": expected ", expected, " values for ", data.count(), " samples, found ",
                     found, ". Give every sample its image and its target.");
  };
  const auto count = data.ids.size();
  const bool segmentation = info.task == Task::segmentation;
  const auto per_image = static_cast<std::size_t>(info.values_per_image());
  expect("images", count * per_image * size_bytes(info.pixel_type), data.images.size());
  expect("masks", segmentation ? count * static_cast<std::size_t>(info.pixels()) : 0,
         data.masks.size());
  expect("labels", segmentation ? 0 : count, data.labels.size());
  expect("groups", data.groups.empty() ? 0 : count, data.groups.size());
}

void write_info(hdf5::File& file, const ShardInfo& info) {
  file.write_attribute("/", "format_version", shard_format::version);
  file.write_attribute("/", "site", info.site);
  file.write_attribute("/", "task", std::string(to_string(info.task)));
  file.write_attribute("/", "class_names", info.class_names);
  file.write_attribute("/", "intensity_scale", info.intensity_scale);
  file.write_attribute("/", "preprocessing", info.preprocessing);
  file.write_attribute("/", "source_checksum", info.source_checksum);
}

}  // namespace

struct ShardWriter::Impl {
  Impl(const std::filesystem::path& target, ShardInfo facts, int level)
      : path(target),
        info(std::move(facts)),
        deflate(level),
        place(target),
        file(hdf5::File::create(place.temporary(), target)) {}

  std::filesystem::path path;
  ShardInfo info;
  int deflate;
  AtomicFile place;
  hdf5::File file;  // closed before `place` removes it
  std::set<Split> written;
  std::set<std::string> ids;
};

ShardWriter::ShardWriter(std::filesystem::path path, ShardInfo info, int deflate) {
  shard_format::check_info(path, info);
  HARMOFL_VALIDATE(deflate >= 0 && deflate <= 9, path.string(), ": deflate ", deflate,
                   " is not a compression level. Take 0 (none) to 9.");
  impl_ = std::make_unique<Impl>(path, std::move(info), deflate);
  write_info(impl_->file, impl_->info);
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::write(Split split, const SplitData& data) {
  Impl& self = *impl_;
  HARMOFL_EXPECT(!self.written.contains(split));
  check_sizes(self.path, self.info, split, data);
  shard_format::check_values(self.path, self.info, split, data);
  shard_format::check_unique(self.path, split, data.ids, self.ids);
  self.written.insert(split);

  const std::string images = shard_format::object(split, "images");
  const std::string target_name = shard_format::target_name(self.info.task);
  const std::string targets = shard_format::object(split, target_name);
  const hdf5::Layout layout{.chunk_first_axis = true, .fletcher32 = true, .deflate = self.deflate};
  const bool segmentation = self.info.task == Task::segmentation;
  const void* values = segmentation ? static_cast<const void*>(data.masks.data())
                                    : static_cast<const void*>(data.labels.data());
  self.file.write(images, shard_format::pixel_type(self.info.pixel_type),
                  shard_format::image_shape(self.info, data.count()), data.images.data(), layout);
  self.file.write(targets, shard_format::target_type(self.info.task),
                  shard_format::target_shape(self.info, data.count()), values, layout);
  self.file.write_strings(shard_format::object(split, "ids"), data.ids);
  const bool named = std::ranges::any_of(data.groups, [](auto& group) { return !group.empty(); });
  if (named) self.file.write_strings(shard_format::object(split, "groups"), data.groups);
  self.file.write_attribute(images, "xxh3", shard_format::image_checksum(data));
  self.file.write_attribute(targets, "xxh3", shard_format::target_checksum(self.info.task, data));
}

void ShardWriter::commit() {
  for (const Split split : all_splits) {
    if (!impl_->written.contains(split)) write(split, {});
  }
  impl_->file.close();
  impl_->place.commit();
}

}  // namespace harmofl
