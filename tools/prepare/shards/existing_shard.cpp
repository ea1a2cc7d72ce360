// SPDX-License-Identifier: Apache-2.0
#include "prepare/shards/existing_shard.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <system_error>

namespace harmofl::prepare {

bool is_up_to_date(const std::filesystem::path& shard, const ShardInfo& info, bool overwrite,
                   const std::string& sources) {
  if (!std::filesystem::exists(shard)) return false;
  std::string reason = concat("it was made from other ", sources, " or with other options");
  try {
    const ShardInfo found = ShardReader(shard).info();
    if (found.preprocessing == info.preprocessing && found.class_names == info.class_names &&
        found.source_checksum == info.source_checksum) {
      return true;
    }
  } catch (const UserError& error) {
    reason = concat("it cannot be read (", error.what(), ")");
  }
  HARMOFL_VALIDATE(overwrite, shard.string(), ": this shard exists, and ", reason,
                   ". Give --overwrite to replace it, or another --output.");
  return false;
}

void make_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  HARMOFL_VALIDATE(!error && std::filesystem::is_directory(folder), folder.string(),
                   ": this folder cannot be made: ", error.message(),
                   ". Give --output a folder that you may write to.");
}

}  // namespace harmofl::prepare
