// SPDX-License-Identifier: Apache-2.0
/// The command line of harmofl-prepare.
#pragma once

#include "harmofl/io/shard.hpp"
#include "prepare/pixels/mask_rule.hpp"
#include "prepare/pixels/size.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// What `harmofl-prepare images` was asked to do.
struct Options {
  std::filesystem::path input{};                ///< Folder with one sub-folder a site.
  std::filesystem::path output{};               ///< Folder for the shards; made when missing.
  std::optional<Size> size{};                   ///< Resample every image to this size.
  std::optional<Size> patch{};                  ///< Or cut every image into tiles of this size.
  std::array<int, 3> percent{64, 16, 20};       ///< Shares of train, val and test.
  std::uint64_t seed = 0;                       ///< Seed of the random split.
  std::optional<std::filesystem::path> list{};  ///< CSV file that names the images.
  int deflate = 0;                              ///< Compression level of the shard.
  bool grey = false;                            ///< One channel instead of three.
  std::vector<std::string> sites{};             ///< Only these; all when empty.
  std::optional<Task> task{};                   ///< Found out from the input when not given.
  bool overwrite = false;                       ///< Replace shards that are there.
  std::string layout = "folders";               ///< How INPUT is laid out (scan.hpp).
  std::optional<std::string> site{};            ///< Name of the one site of such a layout.
  std::optional<std::filesystem::path> sites_from{};  ///< CSV file: the site of each image.
  MaskRule mask{};
  std::vector<std::string> class_names{};  ///< Of masks; made up when empty.
};

/// What to do: say `answer` (help, version) when there is one, else work by `options`.
struct Command {
  std::string answer;
  Options options;
};

/// Parses the arguments after `images`. Throws UsageError with the closest known name
/// for one that is not known.
Command parse(const std::vector<std::string>& arguments);

}  // namespace harmofl::prepare
