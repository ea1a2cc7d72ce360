// SPDX-License-Identifier: Apache-2.0
#include "io/shard/shard_samples.hpp"

#include "harmofl/base/error.hpp"
#include "io/hdf5/hdf5_rows.hpp"
#include "io/shard/shard_format.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace harmofl {
namespace {

using shard_format::object;

constexpr const char* streaming_remedy =
    "Re-create the shard with harmofl-prepare, or set data.residence = memory.";

void check_finite(const hdf5::RowChunks& rows, std::span<const std::byte> image,
                  const std::filesystem::path& file, const std::string& id) {
  for (std::size_t at = 0; at + sizeof(float) <= image.size(); at += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, image.data() + at, sizeof(float));
    HARMOFL_VALIDATE(std::isfinite(value), file.string(), ": ", rows.dataset,
                     ": expected finite pixels, found ", value, " in image '", id, "'. ",
                     shard_format::remedy);
  }
}

}  // namespace

struct ShardSamples::Impl {
  explicit Impl(const ShardReader& reader) : shard(reader), file(reader.path(), streaming_remedy) {}

  const ShardReader& shard;
  hdf5::RowFile file;
  std::array<hdf5::RowChunks, 3> images{};  ///< By Split, and below.
  std::array<hdf5::RowChunks, 3> masks{};

  const std::string& id(Split split, std::int64_t row) const {
    return shard.ids(split)[static_cast<std::size_t>(row)];
  }
};

ShardSamples::ShardSamples(const ShardReader& shard) : impl_(std::make_unique<Impl>(shard)) {
  const ShardInfo& info = shard.info();
  for (const Split split : all_splits) {
    const auto index = static_cast<std::size_t>(split);
    const std::int64_t count = shard.count(split);
    impl_->images[index] =
        impl_->file.locate(object(split, "images"), shard_format::pixel_type(info.pixel_type),
                           shard_format::image_shape(info, count));
    if (info.task == Task::classification) continue;
    impl_->masks[index] =
        impl_->file.locate(object(split, "masks"), shard_format::target_type(info.task),
                           shard_format::target_shape(info, count));
  }
}

ShardSamples::~ShardSamples() = default;
ShardSamples::ShardSamples(ShardSamples&&) noexcept = default;

const ShardReader& ShardSamples::shard() const { return impl_->shard; }

void ShardSamples::read_image(Split split, std::int64_t row, std::span<std::byte> out) const {
  const hdf5::RowChunks& images = impl_->images[static_cast<std::size_t>(split)];
  const std::string& id = impl_->id(split, row);
  impl_->file.read(images, row, out, id);
  if (impl_->shard.info().pixel_type == PixelType::uint8) return;
  check_finite(images, out, impl_->shard.path(), id);
}

void ShardSamples::read_mask(Split split, std::int64_t row, std::span<std::uint8_t> out) const {
  const hdf5::RowChunks& masks = impl_->masks[static_cast<std::size_t>(split)];
  const std::string& id = impl_->id(split, row);
  impl_->file.read(masks, row, std::as_writable_bytes(out), id);
  const auto classes = std::ssize(impl_->shard.info().class_names);
  const int most = out.empty() ? 0 : *std::ranges::max_element(out);
  HARMOFL_VALIDATE(most < classes, impl_->shard.path().string(), ": ", masks.dataset,
                   ": expected classes 0 to ", classes - 1, ", found ", most, " in image '", id,
                   "'. ", shard_format::remedy);
}

void ShardSamples::check_unchanged() const { impl_->file.check_unchanged(); }

}  // namespace harmofl
