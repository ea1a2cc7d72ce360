// SPDX-License-Identifier: Apache-2.0
#include "harmofl/io/shard.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <system_error>

namespace harmofl {
namespace {

bool is_named_as_shard(const std::filesystem::path& path) {
  return path.extension() == ".h5" && !path.filename().string().starts_with('.');
}

/// Throws UserError for what has the name of a shard and cannot be one: a run on what is left would
/// be one of another federation.
void check_shard_file(const std::filesystem::path& path) {
  const std::string why = why_not_a_file(path);
  HARMOFL_VALIDATE(why.empty(), path.string(), ": has the name of a shard, but ", why,
                   ". Put the shard in its place, or remove it.");
  HARMOFL_VALIDATE(is_printable(path.filename().string()), path.string(),
                   ": the name is not one of printable UTF-8. Rename the shard.");
}

}  // namespace

std::string_view to_string(Task task) {
  return task == Task::segmentation ? "segmentation" : "classification";
}

std::string_view to_string(PixelType type) {
  return type == PixelType::uint8 ? "uint8" : "float32";
}

std::string_view to_string(Split split) {
  static constexpr std::array<std::string_view, 3> names{"train", "val", "test"};
  return names[static_cast<std::size_t>(split)];
}

std::size_t size_bytes(PixelType type) { return type == PixelType::uint8 ? 1 : sizeof(float); }

std::vector<std::filesystem::path> list_shards(const std::filesystem::path& folder) {
  constexpr const char* remedy = "Make shards with harmofl-prepare and give their folder.";
  std::error_code failed;
  HARMOFL_VALIDATE(std::filesystem::is_directory(folder, failed), folder.string(),
                   ": this is not a folder. ", remedy);
  std::vector<std::filesystem::path> shards;
  for (std::filesystem::directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    if (!is_named_as_shard(entry->path())) continue;
    check_shard_file(entry->path());
    shards.push_back(entry->path());
  }
  HARMOFL_VALIDATE(!failed, folder.string(), ": cannot be listed (", failed.message(), "). ",
                   remedy);
  HARMOFL_VALIDATE(!shards.empty(), folder.string(), ": there is no shard (*.h5). ", remedy);
  std::sort(shards.begin(), shards.end());
  return shards;
}

}  // namespace harmofl
