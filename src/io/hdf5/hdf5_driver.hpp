// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: what HDF5 writes goes to a file of ours.
#pragma once

#include "io/block_file.hpp"

#include <cstdint>

namespace harmofl::hdf5 {

/// A file that HDF5 makes. Outlives HDF5's own.
struct DrivenFile {
  explicit DrivenFile(const std::filesystem::path& path) : blocks(path) {}

  BlockFile blocks;
  std::int64_t size = 0;  ///< Of HDF5's content, in bytes; right once HDF5 has closed it.
};

/// Makes `properties`, which a file is then made with, use `file`. Returns false when HDF5 refuses.
bool drive(std::int64_t properties, DrivenFile& file);

}  // namespace harmofl::hdf5
