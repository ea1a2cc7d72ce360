// SPDX-License-Identifier: Apache-2.0
#include "prepare/scan/folder_content.hpp"

#include "base/read_file.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/decode/formats.hpp"
#include "prepare/decode/outlines.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace harmofl::prepare {
namespace {

namespace fs = std::filesystem;

constexpr int max_depth_looked_at = 4;  ///< Links may lead in a circle.

/// Whether that is named as an image. Throws UserError where it is, but not so that it is read: an
/// image that is left out makes another data set.
bool is_image(const fs::path& path) {
  const NameKind kind = kind_of_name(path);
  HARMOFL_VALIDATE(kind != NameKind::unread_image, path.string(),
                   ": images of this format are not ", "read; known are ", format_names(),
                   ". Convert it, or begin its name with '.' ", "to leave it out.");
  if (kind != NameKind::image) return false;
  const std::string why = why_not_a_file(path);
  HARMOFL_VALIDATE(why.empty(), path.string(), ": has the name of an image, but ", why,
                   ". Put the image in its place, or remove it.");
  return true;
}

/// Whether that is a folder, links followed. Throws UserError for a link to nothing, which may have
/// been a site.
bool is_folder(const fs::path& path) {
  std::error_code failed;
  const fs::file_status found = fs::status(path, failed);
  HARMOFL_VALIDATE(fs::status_known(found) && fs::exists(found), path.string(), ": ",
                   why_not_a_file(path), ". Put the folder in its place, or remove it.");
  return fs::is_directory(found);
}

[[noreturn]] void refuse_two(const fs::path& first, const fs::path& second) {
  throw UserError(concat(second.string(), ": has the name of ", first.string(),
                         " but for its ending, and names without endings are ids. ",
                         "Rename or remove one of them."));
}

}  // namespace

FolderContent list_folder(const fs::path& folder) {
  FolderContent found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    const std::string name = path.filename().string();
    if (name.starts_with('.') || name == "__MACOSX") continue;
    if (is_image(path)) {
      found.images.push_back(path);
    } else if (is_folder(path)) {
      found.folders.push_back(path);
    } else if (is_outlines(path)) {
      found.outlines.push_back(path);
    }
  }
  for (auto* paths : {&found.folders, &found.images, &found.outlines}) {
    std::sort(paths->begin(), paths->end());
  }
  return found;
}

bool stays_below(const fs::path& path) {
  const fs::path plain = path.lexically_normal();
  return path.is_relative() && (plain.empty() || *plain.begin() != "..");
}

void refuse_images(const FolderContent& content) {
  if (content.images.empty()) return;
  throw UserError(concat(content.images.front().string(),
                         ": no image is looked for in this place, ",
                         "and it would be left out. Move it to where the layout has images, or ",
                         "begin its name with '.' to leave it out."));
}

void refuse_images_below(const fs::path& folder) {
  std::vector<std::pair<fs::path, int>> open{{folder, 0}};
  while (!open.empty()) {
    const auto [next, depth] = open.back();
    open.pop_back();
    const FolderContent content = list_folder(next);
    refuse_images(content);
    for (const fs::path& below : content.folders) {
      if (depth < max_depth_looked_at) open.emplace_back(below, depth + 1);
    }
  }
}

std::map<std::string, fs::path> by_stem(const std::vector<fs::path>& files) {
  std::map<std::string, fs::path> found;
  for (const fs::path& file : files) {
    const auto [place, fresh] = found.emplace(file.stem().string(), file);
    if (!fresh) refuse_two(place->second, file);
  }
  return found;
}

fs::path FolderIndex::image(const fs::path& folder, const std::string& stem) {
  const auto [place, fresh] = folders_.try_emplace(folder);
  std::error_code failed;
  if (fresh) {  // a folder that is not there has no images, and the first one is missed by name
    for (const auto& entry : fs::directory_iterator(folder, failed)) {
      if (kind_of_name(entry.path()) != NameKind::image) continue;
      place->second[entry.path().stem().string()].push_back(entry.path());
    }
  }
  const auto found = place->second.find(stem);
  if (found == place->second.end()) return folder / (stem + ".png");
  const auto& files = found->second;
  if (files.size() > 1) refuse_two(std::min(files[0], files[1]), std::max(files[0], files[1]));
  return files.front();
}

}  // namespace harmofl::prepare
