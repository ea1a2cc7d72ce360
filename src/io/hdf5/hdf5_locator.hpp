// SPDX-License-Identifier: Apache-2.0
/// Private to src/io/hdf5: a file driver that says where HDF5 looks.
#pragma once

#include "io/input_file.hpp"

#include <cstdint>

namespace harmofl::hdf5 {

/// A file that HDF5 opens through us. While `noting`, what it would read of datasets is not read;
/// the place of the last such read is noted.
struct LocatedFile {
  const InputFile* file = nullptr;
  bool noting = false;
  std::int64_t offset = -1;  ///< From the start of the file; -1 where nothing was noted.
  std::int64_t bytes = 0;
};

/// Makes `properties`, which a file is then opened with, use `file`. Returns false when HDF5
/// refuses.
bool locate_through(std::int64_t properties, LocatedFile& file);

}  // namespace harmofl::hdf5
