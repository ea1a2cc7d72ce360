// SPDX-License-Identifier: Apache-2.0
#include "harmofl/io/shard_pool.hpp"

#include "harmofl/base/error.hpp"
#include "io/shard/shard_samples.hpp"

#include <utility>

namespace harmofl {

ShardPool::ShardPool(std::vector<std::filesystem::path> paths) : paths_(std::move(paths)) {}

std::int64_t ShardPool::size() const { return std::ssize(paths_); }

const ShardReader& ShardPool::open(std::int64_t shard) {
  HARMOFL_EXPECT(shard >= 0 && shard < size());
  const auto found = readers_.find(shard);
  if (found != readers_.end()) return found->second;
  return readers_.emplace(shard, ShardReader(paths_[static_cast<std::size_t>(shard)]))
      .first->second;
}

const ShardSamples& ShardPool::samples(std::int64_t shard) {
  std::shared_ptr<const ShardSamples>& found = samples_[shard];
  if (!found) found = std::make_shared<const ShardSamples>(open(shard));
  return *found;
}

}  // namespace harmofl
