// SPDX-License-Identifier: Apache-2.0
/// Finds the images of every site: in folders of some layout or by a list.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/images/options.hpp"

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// One source image, with what belongs to it.
struct Sample {
  std::string id;               ///< Unique in its site.
  std::filesystem::path image;  ///< Image file.
  std::filesystem::path mask;   ///< Image or XML of outlines; empty for classification.
  std::string label;            ///< Class; empty for segmentation.
  std::optional<Split> split;   ///< Set by the list, else drawn.
  std::string patient;          ///< Samples of one patient stay together; "" is nobody.
  std::string array{};          ///< Of a .npz file `image`: the array that holds the image,
  std::int64_t row = 0;         ///< and its row there.
};

/// All images of an input folder.
struct Sources {
  Task task = Task::segmentation;
  std::vector<std::string> class_names;  ///< Classes of all sites together; the index is the label.
  std::map<std::string, std::vector<Sample>>
      sites{};  ///< Samples of each site by its name, sorted by id.
};

/// Names of the layouts of an input folder.
std::vector<std::string> layout_names();

/// Whether a layout, which is one of them, holds one source, whose sites the user tells.
bool layout_has_one_source(const std::string& layout);

/// Looks through `options.input`, or reads `options.list`, and checks that every file is there.
/// Throws UserError that names the first file that is missing or out of place.
Sources scan(const Options& options);

}  // namespace harmofl::prepare
