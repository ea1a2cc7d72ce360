// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "prepare/decode/outlines.hpp"

namespace harmofl::fuzz {

void outlines(std::string_view input) {
  static MemoryFile file;
  constexpr prepare::Size size{48, 64};
  std::int64_t steps = 0;
  for (const prepare::Outline& outline : prepare::read_outlines(file.holding(input))) {
    steps += prepare::fill_steps(outline.corners, size);
    if (steps > 10'000'000) return;
    std::int64_t before = -1;
    prepare::fill_polygon(
        outline.corners, size, [&](std::int64_t row, std::int64_t begin, std::int64_t end) {
          require(row >= 0 && row < size.height, "rows are of the image");
          require(begin >= 0 && begin < end && end <= size.width, "so are columns");
          const std::int64_t place = row * size.width + begin;
          require(place > before, "runs come in their order, each once");
          before = row * size.width + end - 1;
        });
  }
}

}  // namespace harmofl::fuzz
