// SPDX-License-Identifier: Apache-2.0
/// What folders hold, as scanning looks at it: nothing that has the name of an image is left out.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Entries of a folder, sorted. Left out are hidden ones, `__MACOSX` (which macOS puts into
/// archives) and files that are neither images nor XML.
struct FolderContent {
  std::vector<std::filesystem::path> folders;
  std::vector<std::filesystem::path> images;
  std::vector<std::filesystem::path> outlines;  ///< XML files.
};

/// Throws UserError for an image of a format that is not read, for a name of an image where no file
/// stands, and for a link to nothing.
FolderContent list_folder(const std::filesystem::path& folder);

/// Whether a relative path leads to a place below where it starts.
bool stays_below(const std::filesystem::path& path);

/// Throws UserError for an image right in a folder whose layout has none there, `content` of it.
void refuse_images(const FolderContent& content);

/// Throws UserError for an image in a folder or anywhere below it.
void refuse_images_below(const std::filesystem::path& folder);

/// Files by their name without its ending. Throws UserError for two of one name.
std::map<std::string, std::filesystem::path> by_stem(
    const std::vector<std::filesystem::path>& files);

/// Finds images of folders by their names without the ending; looks into each folder once.
class FolderIndex {
 public:
  /// The one image of that name; `folder`/`stem`.png where there is none. Throws UserError for two.
  std::filesystem::path image(const std::filesystem::path& folder, const std::string& stem);

 private:
  std::map<std::filesystem::path, std::map<std::string, std::vector<std::filesystem::path>>>
      folders_;
};

}  // namespace harmofl::prepare
