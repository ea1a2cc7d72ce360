// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/scan/folder_content.hpp"
#include "prepare/scan/scan_layouts.hpp"

#include <algorithm>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

std::vector<Sample> segmentation_samples(const fs::path& site) {
  std::map<std::string, fs::path> images = by_stem(list_folder(site).images);
  std::map<std::string, fs::path> masks;
  for (const auto& [stem, file] : images) {
    if (stem.ends_with(mask_ending)) {
      masks[stem.substr(0, stem.size() - std::string(mask_ending).size())] = file;
    }
  }
  for (const auto& [id, file] : masks) {
    HARMOFL_VALIDATE(images.contains(id), file.string(), ": this mask has no image ", id,
                     ".png (or of another ending). Add the image or remove the mask.");
    images.erase(file.stem().string());
  }
  std::vector<Sample> samples;
  for (const auto& [id, file] : images) {
    const auto mask = masks.find(id);
    samples.push_back(
        {.id = id,
         .image = file,
         .mask = mask != masks.end() ? mask->second : site / (id + mask_ending + ".png"),
         .label = {},
         .split = {},
         .patient = {}});
  }
  return samples;
}

std::vector<Sample> classification_samples(const fs::path& site) {
  std::vector<Sample> samples;
  for (const fs::path& folder : list_folder(site).folders) {
    const std::string label = folder.filename().string();
    const FolderContent content = list_folder(folder);
    for (const fs::path& below : content.folders) refuse_images_below(below);
    for (const auto& [stem, file] : by_stem(content.images)) {
      samples.push_back({.id = label + "/" + stem,
                         .image = file,
                         .mask = {},
                         .label = label,
                         .split = {},
                         .patient = {}});
    }
  }
  return samples;
}

/// What a site's folder looks like; nothing when it has neither images nor folders with images.
std::optional<Task> task_of(const fs::path& site) {
  const FolderContent found = list_folder(site);
  const bool labelled =
      std::any_of(found.folders.begin(), found.folders.end(),
                  [](const fs::path& folder) { return !list_folder(folder).images.empty(); });
  HARMOFL_VALIDATE(!(labelled && !found.images.empty()), site.string(),
                   ": both images and folders with images are here. Give every site one layout: ",
                   "<id>.png with <id>_mask.png, or <class>/<id>.png.");
  if (labelled) return Task::classification;
  if (!found.images.empty()) return Task::segmentation;
  return std::nullopt;
}

}  // namespace

Sources scan_folders(const Options& options) {
  Sources sources;
  std::optional<Task> task = options.task;
  const FolderContent top = list_folder(options.input);
  refuse_images(top);
  for (const fs::path& folder : top.folders) {
    const std::optional<Task> found = task_of(folder);
    if (!found) {
      refuse_images_below(folder);
      continue;
    }
    if (!task) task = found;
    HARMOFL_VALIDATE(*found == *task, folder.string(), ": this site is laid out for ",
                     to_string(*found), ", but the task is ", to_string(*task),
                     ". Prepare the two kinds of sites apart.");
    sources.sites[folder.filename().string()] = *found == Task::segmentation
                                                    ? segmentation_samples(folder)
                                                    : classification_samples(folder);
  }
  sources.task = task.value_or(Task::segmentation);
  return sources;
}

}  // namespace harmofl::prepare
