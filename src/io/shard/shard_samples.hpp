// SPDX-License-Identifier: Apache-2.0
/// Samples of a shard, read one at a time: what streams from the disk.
#pragma once

#include "harmofl/io/shard.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace harmofl {

/// Reads images and masks of a shard in any order, by any number of threads at once. Each is
/// verified by Fletcher-32, and its values as ShardReader does; the checksum of a whole split is
/// not, since a split is never there as a whole.
class ShardSamples {
 public:
  /// Finds where the samples of `shard` lie, which must outlive this object. Throws UserError for a
  /// shard whose samples HDF5 alone can read (harmofl-prepare writes none).
  explicit ShardSamples(const ShardReader& shard);
  ~ShardSamples();
  ShardSamples(ShardSamples&&) noexcept;

  const ShardReader& shard() const;

  /// Reads the image at `row` of a split into `out`, of its size in bytes. Throws UserError that
  /// names file and sample when it is damaged.
  void read_image(Split split, std::int64_t row, std::span<std::byte> out) const;

  /// The same for a mask; shards for classification have none.
  void read_mask(Split split, std::int64_t row, std::span<std::uint8_t> out) const;

  /// Throws UserError when the file was written to, or cut off, since it was opened. A file that
  /// was put in its place does no harm: what was opened is still there.
  void check_unchanged() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
