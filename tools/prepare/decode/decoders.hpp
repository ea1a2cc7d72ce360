// SPDX-License-Identifier: Apache-2.0
/// The decoders behind `decode`, one a format. Each throws UserError as `decode` does.
#pragma once

#include "prepare/decode/raster.hpp"

#include <cstdio>
#include <filesystem>
#include <memory>

namespace harmofl::prepare {

/// PNG of any kind, by libpng.
Raster decode_png(const std::filesystem::path& path, std::int64_t max_pixels);

/// TIFF and BigTIFF of one page, by libtiff: strips or tiles, chunky or planar, of 1, 2, 4, 8 or 16
/// bits; grey, palette or RGB; not compressed or by PackBits, LZW, Deflate, CCITT or JPEG. Of a
/// file that ends in .svs the first page is read, which is the whole image.
Raster decode_tiff(const std::filesystem::path& path, std::int64_t max_pixels);

/// JPEG of 8 bits, grey or colour, baseline or progressive, by libjpeg-turbo, with the accurate
/// whole-number DCT and smooth upsampling, so that every machine reads the same.
Raster decode_jpeg(const std::filesystem::path& path, std::int64_t max_pixels);

/// BMP without compression, with a palette or of 24 or 32 bits a pixel. No library of Debian reads
/// BMP and little else.
Raster decode_bmp(const std::filesystem::path& path, std::int64_t max_pixels);

/// A file of C, closed at the end.
using CFile = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

/// Opens a file to read it. Throws UserError.
CFile open_c_file(const std::filesystem::path& path);

}  // namespace harmofl::prepare
