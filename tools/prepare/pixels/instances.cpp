// SPDX-License-Identifier: Apache-2.0
#include "prepare/pixels/instances.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"
#include "io/atomic_file.hpp"
#include "prepare/decode/outlines.hpp"
#include "prepare/pixels/mask.hpp"
#include "prepare/pixels/resample.hpp"
#include "prepare/scan/folder_content.hpp"

#include <png.h>

#include <algorithm>

namespace harmofl::prepare {
namespace {

constexpr std::size_t most_instances = 65535;

Instances outline_numbers(const std::filesystem::path& path, Size size, const MaskRule& rule) {
  Instances found{size,
                  std::vector<std::uint16_t>(static_cast<std::size_t>(size.height * size.width))};
  draw_outlines(path, size, rule, [&](const Run& run) {
    HARMOFL_VALIDATE(run.number <= most_instances, path.string(), ": has more than ",
                     most_instances, " outlines, which 16 bits do not count. Cut the image.");
    std::uint16_t* line = found.numbers.data() + run.row * size.width;
    std::fill(line + run.begin, line + run.end, static_cast<std::uint16_t>(run.number));
  });
  return found;
}

void write_numbers(const std::filesystem::path& path, const Instances& instances) {
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  AtomicFile place(path);
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.height = static_cast<png_uint_32>(instances.size.height);
  image.width = static_cast<png_uint_32>(instances.size.width);
  image.format = PNG_FORMAT_LINEAR_Y;
  const int written = png_image_write_to_file(&image, place.temporary().c_str(), 0,
                                              instances.numbers.data(), 0, nullptr);
  HARMOFL_VALIDATE(written != 0, path.string(), ": cannot be written: ", image.message,
                   ". Make room, or give --output a folder that you may write to.");
  place.commit();
}

Instances cropped(const Instances& whole, std::int64_t top, std::int64_t left, Size size) {
  Instances part{size, {}};
  for (std::int64_t y = 0; y < size.height; ++y) {
    const auto row = whole.numbers.begin() + (top + y) * whole.size.width + left;
    part.numbers.insert(part.numbers.end(), row, row + size.width);
  }
  return part;
}

}  // namespace

Instances read_instances(const std::filesystem::path& mask, Size size, const MaskRule& rule,
                         std::int64_t max_pixels) {
  if (is_outlines(mask)) return outline_numbers(mask, size, rule);
  return {size, read_mask_numbers(mask, rule, max_pixels)};
}

void keep_instances(const Sample& sample, Size size, const Options& options,
                    const std::filesystem::path& folder) {
  HARMOFL_VALIDATE(stays_below(sample.id), "image '", sample.id, "': its id leads out of ",
                   folder.string(), ", where --instances would write. Give it another id.");
  const std::int64_t most = options.size ? max_pixels_for(*options.size) : usual_max_pixels;
  const Instances whole = read_instances(sample.mask, size, options.mask, most);
  if (!options.patch) {
    const Size to = options.size.value_or(size);
    write_numbers(folder / (sample.id + ".png"), {to, resample_numbers(whole.numbers, size, to)});
    return;
  }
  const auto rows = tile_starts(size.height, options.patch->height);
  const auto columns = tile_starts(size.width, options.patch->width);
  for (std::size_t y = 0; y < rows.size(); ++y) {
    for (std::size_t x = 0; x < columns.size(); ++x) {
      write_numbers(folder / concat(sample.id, "_y", y, "x", x, ".png"),
                    cropped(whole, rows[y], columns[x], *options.patch));
    }
  }
}

}  // namespace harmofl::prepare
