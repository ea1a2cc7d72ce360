// SPDX-License-Identifier: Apache-2.0
#include "app/commands/predict/input_files.hpp"

#include "base/log.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/decode/formats.hpp"

#include <cstdint>
#include <map>
#include <string_view>

namespace harmofl {
namespace {

namespace fs = std::filesystem;

/// "_segmentation" or "_Segmentation" before the ending.
bool is_mask_name(const fs::path& name) {
  const std::string text = name.filename().string();
  const std::string stem = text.substr(0, text.rfind(".nii"));
  return stem.ends_with("_segmentation") || stem.ends_with("_Segmentation");
}

/// What a folder holds.
struct FolderFiles {
  std::map<std::string, std::string> images{};   ///< Names by what they are without extension.
  std::map<std::string, std::string> volumes{};  ///< Names by themselves.
  std::int64_t masks = 0;                        ///< Those of volumes, which are left out.
};

void sort_in(const fs::path& file, const fs::path& name, FolderFiles& found) {
  if (is_volume_name(name) && is_mask_name(name)) {
    ++found.masks;
    return;
  }
  if (is_volume_name(name)) {
    found.volumes.emplace(name.string(), name.string());
    return;
  }
  HARMOFL_VALIDATE(prepare::kind_of_name(name) == prepare::NameKind::image, file.string(),
                   ": this is not a shard (.h5), a volume (.nii, .nii.gz) or an image that can be ",
                   "read (", prepare::format_names(), "). Take it out of the folder.");
  const std::string stem = fs::path(name).replace_extension().string();
  const auto [other, is_new] = found.images.emplace(stem, name.string());
  HARMOFL_VALIDATE(is_new, file.string(), ": its mask would have the name of that of ",
                   other->second, ". Rename one of them.");
}

FolderFiles search_folder(const fs::path& folder) {
  FolderFiles found;
  std::error_code failed;
  for (fs::recursive_directory_iterator at(folder, failed), end; !failed && at != end;
       at.increment(failed)) {
    const fs::path name = at->path().lexically_relative(folder);
    if (name.filename().string().starts_with('.')) {  // hidden, as for shells
      if (at->is_directory()) at.disable_recursion_pending();
      continue;
    }
    if (at->is_directory()) continue;
    HARMOFL_VALIDATE(at->is_regular_file(), at->path().string(),
                     ": this is not a file. Take it out of the folder.");
    sort_in(at->path(), name, found);
  }
  HARMOFL_VALIDATE(!failed, folder.string(), ": cannot be read: ", failed.message(), ".");
  return found;
}

}  // namespace

bool is_volume_name(const fs::path& name) {
  const std::string text = name.filename().string();
  return text.ends_with(".nii") || text.ends_with(".nii.gz");
}

std::vector<std::string> list_inputs(const fs::path& folder) {
  const FolderFiles found = search_folder(folder);
  if (!found.images.empty() && !(found.volumes.empty() && found.masks == 0)) {
    const std::string volume =
        found.volumes.empty() ? "a mask of a volume" : found.volumes.begin()->first;
    throw UserError(concat(folder.string(), ": holds images (", found.images.begin()->second,
                           ") and volumes (", volume, "). Give each kind a folder."));
  }
  HARMOFL_VALIDATE(found.masks == 0 || !found.volumes.empty(), folder.string(),
                   ": holds masks (*_segmentation.nii.gz), but no volumes. Give --input the ",
                   "folder of the volumes.");
  if (found.masks > 0) {
    log::info(concat(folder.string(), ": left out ", found.masks,
                     " files that are masks by name (*_segmentation)"));
  }
  const auto& chosen = found.volumes.empty() ? found.images : found.volumes;
  HARMOFL_VALIDATE(!chosen.empty(), folder.string(), ": there are no shards (.h5), no images (",
                   prepare::format_names(),
                   ") and no volumes (.nii, .nii.gz) in it. Give --input another folder.");
  std::vector<std::string> names;
  for (const auto& [key, name] : chosen) names.push_back(name);
  return names;
}

}  // namespace harmofl
