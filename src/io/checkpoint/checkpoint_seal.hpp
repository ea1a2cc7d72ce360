// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: the checksum of a whole checkpoint, in text after HDF5's own bytes.
///
/// HDF5 1.10 does not check its own structures and may crash on damaged ones, so that a file is
/// held against its seal before the library sees it. HDF5 reads a file that goes on after its end,
/// and cuts that off when it writes to it: what other programs changed has no seal.
#pragma once

#include <filesystem>
#include <string>

namespace harmofl::checkpoint_seal {

/// The seal of content with this checksum: "harmofl-xxh3 ", 32 hexadecimal digits and a newline.
std::string of(const std::string& checksum);

/// Whether the file ends with one, right or not. Throws UnreadableFile (io/input_file.hpp).
bool is_there(const std::filesystem::path& path);

enum class State { none, right, broken };

/// Reads all of `path`. Throws UnreadableFile.
State check(const std::filesystem::path& path);

}  // namespace harmofl::checkpoint_seal
