// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/pixels/mask.hpp"
#include "prepare/pixels/resample.hpp"

#include <algorithm>

namespace harmofl::fuzz {
namespace {

void check(const prepare::Image& image) {
  require(image.size.height > 0 && image.size.width > 0, "images have pixels");
  require(std::ssize(image.values) == image.channels * image.size.height * image.size.width,
          "a value a pixel and channel");
  resample(image, {3, 5});
}

}  // namespace

void png(std::string_view input) {
  static MemoryFile file;
  const std::string path = file.holding(input);
  check(prepare::read_image(path, false));
  check(prepare::read_image(path, true));
  const prepare::Image mask = prepare::read_mask(path);
  check(mask);
  require(std::ranges::all_of(mask.values, [](auto value) { return value <= 1; }),
          "masks hold 0 and 1");
}

}  // namespace harmofl::fuzz
