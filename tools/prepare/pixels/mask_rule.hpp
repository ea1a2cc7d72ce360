// SPDX-License-Identifier: Apache-2.0
/// What the values of masks mean.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace harmofl::prepare {

/// How what a mask holds becomes classes; with nothing given background and foreground.
struct MaskRule {
  std::optional<std::int64_t> threshold{};  ///< From this value on a pixel is foreground.
  std::map<std::string, int> classes{};     ///< Class of each value, or of each name of an outline.
  bool instances = false;                   ///< Numbers of instances are kept beside the shard.

  /// Number of classes.
  std::size_t class_count() const;
};

}  // namespace harmofl::prepare
