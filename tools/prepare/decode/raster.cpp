// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/raster.hpp"

#include "base/process/memory.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>

namespace harmofl::prepare {
namespace {

constexpr std::int64_t memory_share = 4;  ///< The other images of a site take memory too.

/// What a library says, as a part of a sentence.
std::string without_full_stop(std::string text) {
  while (!text.empty() && (text.back() == '.' || text.back() == ' ' || text.back() == '\n')) {
    text.pop_back();
  }
  return printable(text);
}

}  // namespace

void check_size(const std::filesystem::path& path, Size size, std::int64_t max_pixels,
                std::int64_t bytes_a_pixel) {
  HARMOFL_VALIDATE(
      size.height >= 1 && size.width >= 1 && size.height <= max_side && size.width <= max_side,
      path.string(), ": has ", to_string(size), " pixels; expected 1 to ", max_side,
      " rows and columns. Cut the image into smaller ones.");
  const std::int64_t pixels = size.height * size.width;
  HARMOFL_VALIDATE(pixels <= max_pixels, path.string(), ": has ", to_string(size),
                   " pixels; expected at most ", max_pixels,
                   ". Cut or shrink the image first, or give a larger --size.");
  const std::int64_t needed = pixels * bytes_a_pixel;
  const std::int64_t most = machine_memory_bytes() / memory_share;
  HARMOFL_VALIDATE(needed <= most, path.string(), ": its ", to_string(size), " pixels take ",
                   needed, " bytes; expected at most ", most,
                   ", a quarter of this machine's memory. Cut the image into smaller ones.");
}

void check_holds(const std::filesystem::path& path, Size size, std::uintmax_t stored,
                 std::uintmax_t best_compression) {
  const std::uintmax_t bytes = std::filesystem::file_size(path);
  HARMOFL_VALIDATE(stored / best_compression <= bytes, path.string(), ": claims ", to_string(size),
                   " pixels, more than its ", bytes,
                   " bytes can hold. Replace the file by an intact one.");
}

void check_indices(const std::filesystem::path& path, const char* format, const Raster& raster) {
  const unsigned top = *std::max_element(raster.bytes.begin(), raster.bytes.end());
  if (top < raster.palette.size()) return;
  refuse_damaged(path, format,
                 concat("it uses colour ", top, " of a palette of ", raster.palette.size()));
}

void refuse_damaged(const std::filesystem::path& path, const char* format, const std::string& why) {
  throw UserError(concat(path.string(), ": cannot be read as ", format, ": ",
                         without_full_stop(why), ". Replace the file by an intact one."));
}

}  // namespace harmofl::prepare
