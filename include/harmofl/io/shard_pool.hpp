// SPDX-License-Identifier: Apache-2.0
/// The shards that a rank reads from, each opened once.
#pragma once

#include "harmofl/io/shard.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

namespace harmofl {

class ShardSamples;

/// Opens shards when they are first asked for and keeps them open, so that thousands of clients cut
/// from a few shards open each file once a rank. Not for use by several threads at once.
class ShardPool {
 public:
  /// `paths` in the order that SampleRef::shard counts in. Opens nothing yet.
  explicit ShardPool(std::vector<std::filesystem::path> paths);

  /// Number of shards, open or not.
  std::int64_t size() const;

  /// The shard at position `shard`. Throws UserError for a damaged one. Expects 0 <= shard < size.
  const ShardReader& open(std::int64_t shard);

  /// Its samples, to be read one by one by any thread while the pool is there. Throws as the
  /// constructor of ShardSamples.
  const ShardSamples& samples(std::int64_t shard);

 private:
  std::vector<std::filesystem::path> paths_;
  std::map<std::int64_t, ShardReader> readers_;
  std::map<std::int64_t, std::shared_ptr<const ShardSamples>> samples_ = {};
};

}  // namespace harmofl
