// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: what a shard says before its pixels are read.
#pragma once

#include "harmofl/io/shard.hpp"
#include "io/hdf5/hdf5.hpp"

#include <string>
#include <vector>

namespace harmofl::shard_format {

/// What the file says of one split.
struct SplitInfo {
  std::vector<std::string> ids;
  std::vector<std::string> groups;  ///< Empty when the shard names no patients.
  std::string image_checksum;
  std::string target_checksum;
};

/// Reads and checks what holds for all images. Throws UserError.
ShardInfo read_info(const hdf5::File& file);

/// Reads names and checksums of a split, and checks shapes, types and filters. Throws UserError.
SplitInfo read_split_info(const hdf5::File& file, const ShardInfo& info, Split split);

}  // namespace harmofl::shard_format
