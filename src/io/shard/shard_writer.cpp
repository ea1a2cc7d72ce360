// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/io/shard.hpp"
#include "io/atomic_file.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/scratch_file.hpp"
#include "io/shard/shard_format.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <span>
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
  if (info.spacing) {
    file.write_attribute("/", "spacing",
                         std::vector<double>(info.spacing->begin(), info.spacing->end()));
  }
}

}  // namespace

struct ShardWriter::Impl {
  /// A split on its way into the file: what is known of the samples that were added so far.
  struct OpenSplit {
    OpenSplit(Split which, std::int64_t samples) : split(which), count(samples) {}

    Split split;
    std::int64_t count;  ///< Number of samples, of which `ids` has those added.
    std::vector<std::string> ids{};
    std::vector<std::string> groups{};
    std::vector<std::int64_t> labels{};
    std::optional<hdf5::RowWriter> images{};
    std::unique_ptr<ScratchFile> masks{};  ///< Masks added so far, a record a part; null for none.
    std::int64_t parts = 0;                ///< Number of records.
    Checksum image_sum{};
    Checksum target_sum{};

    std::int64_t left() const { return count - std::ssize(ids); }
    void add_names(const SplitData& samples);
  };

  Impl(const std::filesystem::path& target, ShardInfo facts, int level)
      : path(target),
        info(std::move(facts)),
        layout{.chunk_first_axis = true, .fletcher32 = true, .deflate = level},
        place(target),
        file(hdf5::File::create(place.temporary(), target)) {}

  void begin(Split split, std::int64_t count);
  void append(const SplitData& samples);
  void check(const SplitData& samples);
  void check_ended() const;
  void add(const SplitData& samples);
  void put_masks_aside(const std::vector<std::uint8_t>& masks);
  void write_masks(const std::vector<std::uint8_t>& last);
  void end(const SplitData& last);
  std::string target_object(Split split) const {
    return shard_format::object(split, shard_format::target_name(info.task));
  }

  std::filesystem::path path;
  ShardInfo info;
  hdf5::Layout layout;
  AtomicFile place;
  hdf5::File file;  // closed before `place` removes it
  std::set<Split> begun;
  std::set<std::string> ids;
  std::optional<OpenSplit> open;  // closed before `file`
};

void ShardWriter::Impl::begin(Split split, std::int64_t count) {
  HARMOFL_EXPECT(count >= 0 && !begun.contains(split));
  check_ended();
  begun.insert(split);
  open.emplace(split, count);
}

void ShardWriter::Impl::append(const SplitData& samples) {
  HARMOFL_EXPECT(open);
  check(samples);
  add(samples);
  if (open->left() == 0) {
    end(samples);
  } else {
    put_masks_aside(samples.masks);
  }
}

void ShardWriter::Impl::OpenSplit::add_names(const SplitData& samples) {
  ids.insert(ids.end(), samples.ids.begin(), samples.ids.end());
  groups.insert(groups.end(), samples.groups.begin(), samples.groups.end());
  groups.resize(ids.size());  // nobody's, where the part names no patients
  labels.insert(labels.end(), samples.labels.begin(), samples.labels.end());
}

/// Throws UserError unless `samples` may come next in the open split.
void ShardWriter::Impl::check(const SplitData& samples) {
  const Split split = open->split;
  check_sizes(path, info, split, samples);
  HARMOFL_VALIDATE(samples.count() <= open->left(), path.string(), ": ",
                   shard_format::object(split, ""), ": expected ", open->count,
                   " samples, found at least ", std::ssize(open->ids) + samples.count(),
                   ". Begin the split with the number of its samples.");
  shard_format::check_values(path, info, split, samples);
  shard_format::check_ids(path, split, samples.ids, ids);
  shard_format::check_printable(path, shard_format::object(split, "groups"), samples.groups);
}

void ShardWriter::Impl::check_ended() const {
  HARMOFL_VALIDATE(!open, path.string(), ": ", shard_format::object(open->split, ""), ": expected ",
                   open->count, " samples, found ", open->ids.size(), ". Give all of them.");
}

/// Writes images and keeps what is written when the split ends.
void ShardWriter::Impl::add(const SplitData& samples) {
  if (!open->images) {
    open->images.emplace(file.start(shard_format::object(open->split, "images"),
                                    shard_format::pixel_type(info.pixel_type),
                                    shard_format::image_shape(info, open->count), layout));
  }
  open->images->append(samples.count(), samples.images.data());
  open->image_sum.add(samples.images);
  open->target_sum.add(info.task == Task::segmentation ? std::as_bytes(std::span(samples.masks))
                                                       : std::as_bytes(std::span(samples.labels)));
  open->add_names(samples);
}

/// Masks have to wait: in the file they lie behind all images.
void ShardWriter::Impl::put_masks_aside(const std::vector<std::uint8_t>& masks) {
  if (masks.empty()) return;
  if (!open->masks) {
    const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
    open->masks = std::make_unique<ScratchFile>(
        folder, ScratchWords{"the scratch file for masks",
                             "Free space on the disk or write to another folder."});
  }
  open->masks->put(open->parts++, {masks.begin(), masks.end()});
}

/// Writes the masks put aside and, behind them, the `last` ones.
void ShardWriter::Impl::write_masks(const std::vector<std::uint8_t>& last) {
  const std::int64_t pixels = info.pixels();
  hdf5::RowWriter masks = file.start(target_object(open->split), hdf5::Type::uint8,
                                     shard_format::target_shape(info, open->count), layout);
  for (std::int64_t part = 0; part < open->parts; ++part) {
    const std::string bytes = open->masks->get(part);
    masks.append(std::ssize(bytes) / pixels, bytes.data());
  }
  masks.append(std::ssize(last) / pixels, last.data());
  masks.close();
}

/// Writes what stands behind the images of a split. `last`: the samples that were added last.
void ShardWriter::Impl::end(const SplitData& last) {
  const Split split = open->split;
  const std::string images = shard_format::object(split, "images");
  const std::string targets = target_object(split);
  open->images->close();
  if (info.task == Task::segmentation) {
    write_masks(last.masks);
  } else {
    file.write(targets, hdf5::Type::int64, shard_format::target_shape(info, open->count),
               open->labels.data(), layout);
  }
  file.write_strings(shard_format::object(split, "ids"), open->ids);
  const bool named = std::ranges::any_of(open->groups, [](auto& group) { return !group.empty(); });
  if (named) file.write_strings(shard_format::object(split, "groups"), open->groups);
  file.write_attribute(images, "xxh3", open->image_sum.digest());
  file.write_attribute(targets, "xxh3", open->target_sum.digest());
  open.reset();
}

ShardWriter::ShardWriter(std::filesystem::path path, ShardInfo info, int deflate) {
  shard_format::check_info(path, info);
  HARMOFL_VALIDATE(deflate >= 0 && deflate <= 9, path.string(), ": deflate ", deflate,
                   " is not a compression level. Take 0 (none) to 9.");
  impl_ = std::make_unique<Impl>(path, std::move(info), deflate);
  write_info(impl_->file, impl_->info);
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::write(Split split, const SplitData& data) {
  impl_->begin(split, data.count());
  impl_->append(data);
}

void ShardWriter::begin(Split split, std::int64_t count) {
  impl_->begin(split, count);
  if (count == 0) impl_->append({});
}

void ShardWriter::append(const SplitData& samples) { impl_->append(samples); }

void ShardWriter::commit() {
  impl_->check_ended();
  for (const Split split : all_splits) {
    if (!impl_->begun.contains(split)) begin(split, 0);
  }
  impl_->file.close();
  impl_->place.commit();
}

}  // namespace harmofl
