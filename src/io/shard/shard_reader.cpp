// SPDX-License-Identifier: Apache-2.0
#include "base/checksum.hpp"
#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/io/shard.hpp"
#include "io/hdf5/hdf5.hpp"
#include "io/shard/shard_format.hpp"
#include "io/shard/shard_header.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <span>
#include <utility>

namespace harmofl {
namespace {

using shard_format::object;
using shard_format::SplitInfo;

void check_sum(const hdf5::File& file, const std::string& dataset, const std::string& stored,
               const std::string& found) {
  if (stored == found) return;
  file.fail(dataset, concat("expected content with the checksum ", stored,
                            " (attribute 'xxh3'), found ", found, ": the data are damaged"));
}

/// The entries of `all` at `rows`; none of none.
template <class Value>
std::vector<Value> pick(const std::vector<Value>& all, const std::vector<std::int64_t>& rows) {
  std::vector<Value> picked;
  if (all.empty()) return picked;
  picked.reserve(rows.size());
  for (const std::int64_t row : rows) picked.push_back(all[static_cast<std::size_t>(row)]);
  return picked;
}

}  // namespace

struct ShardReader::Impl {
  hdf5::File file;
  ShardInfo info;
  std::map<Split, SplitInfo> splits;
  std::map<Split, std::vector<std::int64_t>>
      labels{};  ///< Labels of the splits that were read, verified.

  void check_rows(Split split, const std::vector<std::int64_t>& rows) const;
  void read_targets(Split split, const std::vector<std::int64_t>& rows, SplitData& data);
  const std::vector<std::int64_t>& read_labels(Split split);
};

/// A list of rows that does not fit was made for another shard.
void ShardReader::Impl::check_rows(Split split, const std::vector<std::int64_t>& rows) const {
  const std::int64_t count = std::ssize(splits.at(split).ids);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::int64_t least = i == 0 ? 0 : rows[i - 1] + 1;
    HARMOFL_VALIDATE(rows[i] >= least && rows[i] < count, file.path().string(), ": ",
                     object(split, ""), ": sample ", rows[i], " was asked for, expected one from ",
                     least, " to ", count - 1, ". Deal the samples again: this shard has changed.");
  }
}

void ShardReader::Impl::read_targets(Split split, const std::vector<std::int64_t>& rows,
                                     SplitData& data) {
  if (info.task == Task::classification) {
    data.labels = pick(read_labels(split), rows);
    return;
  }
  const std::string masks = object(split, "masks");
  data.masks.resize(rows.size() * static_cast<std::size_t>(info.pixels()));
  file.read_rows(masks, hdf5::Type::uint8, data.masks.data(), rows);
  if (rows.size() == splits.at(split).ids.size()) {
    check_sum(file, masks, splits.at(split).target_checksum,
              shard_format::target_checksum(info.task, data));
  }
}

/// Reads all labels, whichever are asked for, and keeps them: they are few bytes, in one chunk.
const std::vector<std::int64_t>& ShardReader::Impl::read_labels(Split split) {
  const auto known = labels.find(split);
  if (known != labels.end()) return known->second;
  const std::string name = object(split, "labels");
  SplitData data;
  data.ids = splits.at(split).ids;
  data.labels.resize(data.ids.size());
  file.read(name, hdf5::Type::int64, data.labels.data());
  check_sum(file, name, splits.at(split).target_checksum,
            shard_format::target_checksum(info.task, data));
  shard_format::check_targets(file.path(), info, split, data);
  return labels[split] = std::move(data.labels);
}

ShardReader::ShardReader(std::filesystem::path path) {
  hdf5::File file = hdf5::File::open(path, shard_format::remedy);
  ShardInfo info = shard_format::read_info(file);
  std::map<Split, SplitInfo> splits;
  std::set<std::string> ids;
  for (const Split split : all_splits) {
    splits[split] = shard_format::read_split_info(file, info, split);
    shard_format::check_ids(path, split, splits[split].ids, ids);
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

const std::vector<std::string>& ShardReader::ids(Split split) const {
  return impl_->splits.at(split).ids;
}

const std::vector<std::string>& ShardReader::groups(Split split) const {
  return impl_->splits.at(split).groups;
}

std::vector<std::int64_t> ShardReader::labels(Split split) const {
  if (impl_->info.task == Task::segmentation) return {};
  return impl_->read_labels(split);
}

SplitData ShardReader::read(Split split, std::int64_t max_samples) const {
  const std::int64_t all = count(split);
  std::vector<std::int64_t> rows(
      static_cast<std::size_t>(max_samples < 0 ? all : std::min(max_samples, all)));
  std::iota(rows.begin(), rows.end(), std::int64_t{0});
  return read_rows(split, rows);
}

SplitData ShardReader::read_rows(Split split, const std::vector<std::int64_t>& rows) const {
  Impl& self = *impl_;
  const SplitInfo& stored = self.splits.at(split);
  self.check_rows(split, rows);
  const bool whole = rows.size() == stored.ids.size();
  const std::string images = object(split, "images");
  const auto image_bytes =
      static_cast<std::size_t>(self.info.values_per_image()) * size_bytes(self.info.pixel_type);
  const auto memory = static_cast<std::size_t>(machine_memory_bytes());
  if (image_bytes > 0 && rows.size() > memory / image_bytes) {
    self.file.fail(images, concat(rows.size(), " images of ", image_bytes, " bytes take more than ",
                                  "the ", memory, " bytes of memory of this machine"));
  }
  SplitData data;
  data.ids = pick(stored.ids, rows);
  data.groups = pick(stored.groups, rows);
  data.images.resize(rows.size() * image_bytes);
  self.file.read_rows(images, shard_format::pixel_type(self.info.pixel_type), data.images.data(),
                      rows);
  if (whole) {
    check_sum(self.file, images, stored.image_checksum, shard_format::image_checksum(data));
  }
  self.read_targets(split, rows, data);
  shard_format::check_values(path(), self.info, split, data);
  return data;
}

}  // namespace harmofl
