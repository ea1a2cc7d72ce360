// SPDX-License-Identifier: Apache-2.0
#include "fuzz/memory_file.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti.hpp"

#include <algorithm>
#include <cmath>

namespace harmofl::fuzz {

void nifti(std::string_view input) {
  static MemoryFile file;
  const std::string path = file.holding(input);
  const prepare::Volume volume = prepare::read_nifti(path);
  require(std::ssize(volume.values) == volume.size[0] * volume.size[1] * volume.size[2],
          "a value a voxel");
  require(std::ranges::all_of(volume.values, [](double value) { return std::isfinite(value); }),
          "values are finite");
  const prepare::Volume turned = prepare::to_ras(volume, path);
  require(turned.values.size() == volume.values.size(), "turning keeps all voxels");
  const prepare::Orientation again = prepare::orientation_of(turned.affine, path);
  require(again == prepare::Orientation{{0, 1, 2}, {false, false, false}}, "turned is turned");
}

}  // namespace harmofl::fuzz
