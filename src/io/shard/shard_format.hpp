// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: names and rules of the shard format that its reader and writer share.
#pragma once

#include "harmofl/io/shard.hpp"
#include "io/hdf5/hdf5.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace harmofl::shard_format {

inline constexpr std::int64_t version = 1;
inline constexpr const char* remedy = "Re-create the shard with harmofl-prepare.";

/// "/train/images" and so on.
std::string object(Split split, const std::string& name);

/// "labels" or "masks".
std::string target_name(Task task);
hdf5::Type target_type(Task task);
hdf5::Type pixel_type(PixelType type);

/// Shapes of the datasets of a split of `count` samples.
std::vector<std::int64_t> image_shape(const ShardInfo& info, std::int64_t count);
std::vector<std::int64_t> target_shape(const ShardInfo& info, std::int64_t count);

/// Checksums of the content of images and of labels or masks, as stored in attribute `xxh3`.
std::string image_checksum(const SplitData& data);
std::string target_checksum(Task task, const SplitData& data);

/// Throws UserError unless every one of `names`, which stand at `object` of the file, is UTF-8
/// without control characters: they reach tables, JSON and messages.
void check_printable(const std::filesystem::path& file, const std::string& object,
                     const std::vector<std::string>& names);

/// Throws UserError unless the facts that hold for all images make sense.
void check_info(const std::filesystem::path& file, const ShardInfo& info);

/// Throws UserError when a label or mask value is not a class.
void check_targets(const std::filesystem::path& file, const ShardInfo& info, Split split,
                   const SplitData& data);

/// Throws UserError when a pixel is not finite or a label or mask value is not a class.
void check_values(const std::filesystem::path& file, const ShardInfo& info, Split split,
                  const SplitData& data);

/// Throws UserError when one of `ids` is not printable or already in `seen`, and adds them to it.
void check_ids(const std::filesystem::path& file, Split split, const std::vector<std::string>& ids,
               std::set<std::string>& seen);

}  // namespace harmofl::shard_format
