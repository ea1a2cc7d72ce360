// SPDX-License-Identifier: Apache-2.0
/// Which files are images, and the decoder of each format.
#pragma once

#include "prepare/decode/raster.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// What a file's name says of it, by its ending in any case of letters.
enum class NameKind {
  other,         ///< Not an image.
  image,         ///< An image of a format that is read.
  unread_image,  ///< An image of a format that is not read: GIF, WebP and others.
};

NameKind kind_of_name(const std::filesystem::path& path);

/// The endings of images that are read: ".bmp", ".jpg" and so on, in small letters.
const std::vector<std::string>& image_endings();

/// "BMP, JPEG, PNG, TIFF".
std::string format_names();

/// Most pixels of an image, unless more are asked for: 16384 x 16384, which take 2 GiB to read. A
/// file of 32 KB can claim so many, and then hold them.
inline constexpr std::int64_t usual_max_pixels = std::int64_t{1} << 28;

/// Reads an image of any format that is known, which the file's first bytes tell. Throws UserError
/// when the file's name says another format, when its content cannot be decoded whole, and, before
/// it takes memory, when the file claims more than `max_pixels`, more than it can hold, or more
/// than a quarter of this machine's memory.
Raster decode(const std::filesystem::path& path, std::int64_t max_pixels = usual_max_pixels);

}  // namespace harmofl::prepare
