// SPDX-License-Identifier: Apache-2.0
/// Slices of MRI volumes of the prostate (datasets/prostate.md).
#pragma once

#include "harmofl/base/error.hpp"
#include "prepare/decode/nifti.hpp"
#include "prepare/sets/set_options.hpp"
#include "prepare/shards/piece.hpp"

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// A volume with its mask.
struct Case {
  std::string id;  ///< "Case00".
  std::filesystem::path image;
  std::filesystem::path mask;
};

/// The volumes of each site below `input`: <site>/<id>.nii or .nii.gz with <id>_segmentation (or
/// _Segmentation), sorted by id. Throws UserError for one without the other.
std::map<std::string, std::vector<Case>> find_cases(const std::filesystem::path& input);

/// The slices of a volume that are kept, from bottom to top, without the first and the last, and
/// without those that have no label: each with its two neighbours as channels (below, itself,
/// above), and the mask, in which labels above 1 are 1. Rows run from front to back, columns from
/// the patient's right to the left. Throws UserError, naming a file.
Decoded slices_of(const Case& one, Size size);

/// Makes the shards and writes a table of them to `report`.
ExitCode convert_prostate(const ProstateOptions& options, std::ostream& report);

}  // namespace harmofl::prepare
