// SPDX-License-Identifier: Apache-2.0
#include "harmofl/io/shard.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>

namespace harmofl {

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
  HARMOFL_VALIDATE(std::filesystem::is_directory(folder), folder.string(),
                   ": this is not a folder. ", remedy);
  std::vector<std::filesystem::path> shards;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::filesystem::path& path = entry.path();
    const bool hidden = path.filename().string().starts_with('.');
    if (path.extension() == ".h5" && !hidden && entry.is_regular_file()) shards.push_back(path);
  }
  HARMOFL_VALIDATE(!shards.empty(), folder.string(), ": there is no shard (*.h5). ", remedy);
  std::sort(shards.begin(), shards.end());
  return shards;
}

}  // namespace harmofl
