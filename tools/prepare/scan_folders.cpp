// SPDX-License-Identifier: Apache-2.0
#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/scan_layouts.hpp"

#include <algorithm>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

/// Entries of a folder that are not hidden, sorted: folders, then PNG files.
std::pair<std::vector<fs::path>, std::vector<fs::path>> list_folder(const fs::path& folder) {
  std::pair<std::vector<fs::path>, std::vector<fs::path>> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().starts_with('.')) continue;
    if (entry.is_directory()) found.first.push_back(entry.path());
    if (entry.is_regular_file() && entry.path().extension() == ".png") {
      found.second.push_back(entry.path());
    }
  }
  std::sort(found.first.begin(), found.first.end());
  std::sort(found.second.begin(), found.second.end());
  return found;
}

bool is_mask(const fs::path& file) { return file.filename().string().ends_with(mask_ending); }

std::vector<Sample> segmentation_samples(const fs::path& site) {
  std::vector<Sample> samples;
  for (const fs::path& file : list_folder(site).second) {
    const std::string name = file.filename().string();
    if (is_mask(file)) {
      const std::string id = name.substr(0, name.size() - std::string(mask_ending).size());
      HARMOFL_VALIDATE(fs::is_regular_file(site / (id + ".png")), file.string(),
                       ": this mask has no image ", id, ".png. Add the image or remove the mask.");
    } else {
      const std::string id = file.stem().string();
      samples.push_back({.id = id,
                         .image = file,
                         .mask = site / (id + mask_ending),
                         .label = {},
                         .split = {},
                         .patient = {}});
    }
  }
  return samples;
}

std::vector<Sample> classification_samples(const fs::path& site) {
  std::vector<Sample> samples;
  for (const fs::path& folder : list_folder(site).first) {
    const std::string label = folder.filename().string();
    for (const fs::path& file : list_folder(folder).second) {
      samples.push_back({.id = label + "/" + file.stem().string(),
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
  const auto [folders, files] = list_folder(site);
  const bool labelled = std::any_of(folders.begin(), folders.end(), [](const fs::path& folder) {
    return !list_folder(folder).second.empty();
  });
  HARMOFL_VALIDATE(!(labelled && !files.empty()), site.string(),
                   ": both images and folders with images are here. Give every site one layout: ",
                   "<id>.png with <id>_mask.png, or <class>/<id>.png.");
  if (labelled) return Task::classification;
  if (!files.empty()) return Task::segmentation;
  return std::nullopt;
}

}  // namespace

Sources scan_folders(const Options& options) {
  Sources sources;
  std::optional<Task> task = options.task;
  for (const fs::path& folder : list_folder(options.input).first) {
    const std::optional<Task> found = task_of(folder);
    if (!found) continue;
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
