// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.hpp"
#include "prepare/sets/camelyon17.hpp"

namespace harmofl::fuzz {

void metadata(std::string_view input) {
  const prepare::CamelyonTable table = prepare::parse_camelyon_table(input, "metadata.csv");
  prepare::CamelyonOptions options;
  for (std::size_t i = 0; i < prepare::hospital_count; ++i) {
    const auto& patches = table.hospitals[i];
    require(patches.size() <= input.size(), "a patch a line");
    for (const auto how : {prepare::CamelyonSplit::wilds, prepare::CamelyonSplit::patient,
                           prepare::CamelyonSplit::tail}) {
      options.split = how;
      require(prepare::deal_patches(table, i, options).size() == patches.size(), "a split a patch");
    }
    for (const prepare::Patch& patch : patches) {
      const std::string file = table.file(patch).string();
      require(file.starts_with("patches/patient_") && file.find("..") == std::string::npos,
              "files lie in the folder");
    }
  }
}

}  // namespace harmofl::fuzz
