// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/scan/scan_layouts.hpp"
#include "support/temp_folder.hpp"

namespace harmofl::fuzz {

void list(std::string_view input) {
  static MemoryFile file;
  prepare::Options options;
  options.list = file.holding(input);
  static const test::TempFolder no_images;
  options.input = no_images.path();
  std::size_t samples = 0;
  for (const auto& [site, found] : prepare::scan_list(options).sites) samples += found.size();
  require(samples <= input.size(), "a sample a line");
  try {
    prepare::scan(options);
    require(samples == 0, "an image that is not there is missed");
  } catch (const UserError&) {
  }
}

}  // namespace harmofl::fuzz
