// SPDX-License-Identifier: Apache-2.0
/// Well-formed HDF5 files that lie: an intact file, changed through HDF5's own library as the bytes
/// of an input say.
///
/// Damage to HDF5's own structures is left out: the library does not check them (checkpoints are
/// sealed for that reason), and what it does with them is not this project's code.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::fuzz {

/// What is there to be changed.
struct Hdf5Objects {
  std::vector<std::string> names;       ///< Groups and datasets, as absolute paths.
  std::vector<std::string> attributes;  ///< Names of the attributes that any of them has.
};

/// Puts bytes where HDF5 opens them, which a file without a name is not for it; the same file each
/// time.
std::filesystem::path stored(std::string_view bytes);

/// The file `intact`, whose first bytes are an HDF5 file, after at most eight changes: objects and
/// attributes removed, replaced by others of any type, shape and layout, overwritten, or linked to
/// each other, to nothing, or to another file. No input at all changes nothing.
std::string changed_hdf5(std::string_view intact, const Hdf5Objects& objects,
                         std::string_view input);

}  // namespace harmofl::fuzz
