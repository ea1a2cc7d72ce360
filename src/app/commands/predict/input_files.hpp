// SPDX-License-Identifier: Apache-2.0
/// The files of a folder that are to be predicted.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace harmofl {

/// Whether a file's name says that it is a volume: it ends in .nii or .nii.gz.
bool is_volume_name(const std::filesystem::path& name);

/// Names of the images below `folder`, or of the volumes, sorted, relative to it. Masks of volumes
/// (NAME_segmentation.nii.gz, as `harmofl-prepare prostate` takes them) are left out, which is
/// logged. Throws UserError when there are none, when there are both, when a file is neither, and
/// when two images differ only in their extension.
std::vector<std::string> list_inputs(const std::filesystem::path& folder);

}  // namespace harmofl
