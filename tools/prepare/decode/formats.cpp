// SPDX-License-Identifier: Apache-2.0
#include "prepare/decode/formats.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/decode/decoders.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <string_view>

namespace harmofl::prepare {
namespace {

using namespace std::string_view_literals;

/// A format: its name, the endings of its files, what they begin with, and its decoder.
struct Format {
  const char* name;
  std::vector<std::string_view> endings;
  std::vector<std::string_view> beginnings;
  Raster (*decode)(const std::filesystem::path& path, std::int64_t max_pixels);
};

const std::vector<Format>& formats() {
  static const std::vector<Format> all{
      {"BMP", {".bmp", ".dib"}, {"BM"sv}, decode_bmp},
      {"JPEG", {".jpg", ".jpeg", ".jpe", ".jfif"}, {"\xff\xd8\xff"sv}, decode_jpeg},
      {"PNG", {".png"}, {"\x89PNG\r\n\x1a\n"sv}, decode_png},
      {"TIFF",
       {".tif", ".tiff", ".svs"},
       {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv},
       decode_tiff},
  };
  return all;
}

/// Endings of images that are not read: left out in silence they would make another data set.
constexpr std::array unread_endings{".avif"sv, ".dcm"sv, ".gif"sv, ".heic"sv, ".heif"sv, ".j2c"sv,
                                    ".j2k"sv,  ".jp2"sv, ".jpf"sv, ".jpx"sv,  ".jxl"sv,  ".mrxs"sv,
                                    ".ndpi"sv, ".pbm"sv, ".pcx"sv, ".pgm"sv,  ".pnm"sv,  ".ppm"sv,
                                    ".psd"sv,  ".scn"sv, ".tga"sv, ".webp"sv, ".vsi"sv};

std::string ending_of(const std::filesystem::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char letter) {
    return static_cast<char>(std::tolower(letter));
  });
  return ending;
}

const Format* format_of_name(const std::filesystem::path& path) {
  const std::string ending = ending_of(path);
  for (const Format& format : formats()) {
    if (std::ranges::find(format.endings, ending) != format.endings.end()) return &format;
  }
  return nullptr;
}

const Format* format_of_content(const std::filesystem::path& path) {
  std::array<char, 8> first{};
  const CFile file = open_c_file(path);
  const std::string_view begin(first.data(), std::fread(first.data(), 1, first.size(), file.get()));
  for (const Format& format : formats()) {
    const auto begins = [&](std::string_view mark) { return begin.starts_with(mark); };
    if (std::ranges::any_of(format.beginnings, begins)) return &format;
  }
  return nullptr;
}

}  // namespace

NameKind kind_of_name(const std::filesystem::path& path) {
  if (format_of_name(path) != nullptr) return NameKind::image;
  const bool unread = std::ranges::find(unread_endings, ending_of(path)) != unread_endings.end();
  return unread ? NameKind::unread_image : NameKind::other;
}

const std::vector<std::string>& image_endings() {
  static const std::vector<std::string> all = [] {
    std::vector<std::string> endings;
    for (const Format& format : formats()) {
      endings.insert(endings.end(), format.endings.begin(), format.endings.end());
    }
    return endings;
  }();
  return all;
}

std::string format_names() {
  std::vector<std::string> names;
  for (const Format& format : formats()) names.emplace_back(format.name);
  return join(names);
}

CFile open_c_file(const std::filesystem::path& path) {
  CFile file(std::fopen(path.c_str(), "rb"), std::fclose);
  HARMOFL_VALIDATE(file, path.string(), ": cannot be opened: ", std::strerror(errno),
                   ". Give it the right to be read, or leave it out.");
  return file;
}

Raster decode(const std::filesystem::path& path, std::int64_t max_pixels) {
  const Format* named = format_of_name(path);
  const Format* found = format_of_content(path);
  if (found == nullptr && named != nullptr) {
    refuse_damaged(path, named->name, "it does not begin as such a file does");
  }
  HARMOFL_VALIDATE(found != nullptr, path.string(),
                   ": is not an image that can be read; known are ", format_names(),
                   ". Convert it to one of them.");
  HARMOFL_VALIDATE(named == nullptr || named == found, path.string(), ": has the name of a ",
                   named->name, " file, but holds ", found->name, ". Rename it.");
  return found->decode(path, max_pixels);
}

}  // namespace harmofl::prepare
