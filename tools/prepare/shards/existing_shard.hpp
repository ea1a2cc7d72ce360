// SPDX-License-Identifier: Apache-2.0
/// Shards that are there already.
#pragma once

#include "harmofl/io/shard.hpp"

#include <filesystem>
#include <string>

namespace harmofl::prepare {

/// Whether the shard that is there is what would be made now of `info`. Throws UserError when it is
/// not and may not be replaced; `sources` says in it what shards are made from: "images".
bool is_up_to_date(const std::filesystem::path& shard, const ShardInfo& info, bool overwrite,
                   const std::string& sources);

/// Makes the folder of --output. Throws UserError where that cannot be.
void make_folder(const std::filesystem::path& folder);

}  // namespace harmofl::prepare
