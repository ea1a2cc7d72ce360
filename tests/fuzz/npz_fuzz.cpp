// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "prepare/pixels/image_source.hpp"
#include "prepare/scan/scan_layouts.hpp"
#include "support/temp_folder.hpp"

#include <algorithm>

namespace harmofl::fuzz {

void npz(std::string_view input) {
  static MemoryFile file;
  static const test::TempFolder folder;
  const std::string path = file.holding(input);
  if (!std::filesystem::exists(folder / "a.npz")) {
    std::filesystem::create_symlink(path, folder / "a.npz");
  }
  prepare::Options options;
  options.input = folder.path();
  const prepare::Sources sources = prepare::scan_medmnist(options);
  prepare::ImageSource images;
  const auto& samples = sources.sites.at("a");
  for (std::size_t i = 0; i < std::min<std::size_t>(samples.size(), 100); ++i) {
    const prepare::Image image = images.read(samples[i], false, std::int64_t{1} << 20);
    require(std::ssize(image.values) == 3 * image.size.height * image.size.width,
            "a value a pixel and channel");
  }
}

}  // namespace harmofl::fuzz
