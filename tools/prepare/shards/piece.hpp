// SPDX-License-Identifier: Apache-2.0
/// What becomes of a source image, and the bytes in which it waits on the disk.
#pragma once

#include "prepare/pixels/image.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::prepare {

/// One image as it is stored: its name, pixels and, for segmentation, mask.
struct Piece {
  std::string id;
  Image image;
  Image mask;
  std::int64_t label = 0;  ///< Class, where there is no mask.
};

/// A source image, or a volume, that was read.
struct Decoded {
  std::vector<Piece> pieces{};
  Size source_size{};
  std::optional<std::array<double, 2>> spacing{};  ///< Millimetres down the rows and along columns.
  std::string checksums{};                         ///< Of the source files, one behind the other.
  std::string problem{};                           ///< Why it cannot be used; empty when it can.
};

/// All of `decoded` as bytes, for this machine.
std::string pack(const Decoded& decoded);

/// What `pack` made `bytes` of. Throws std::out_of_range for bytes of another origin.
Decoded unpack(std::string_view bytes);

}  // namespace harmofl::prepare
