// SPDX-License-Identifier: Apache-2.0
/// What the drivers of this project, through which HDF5 reads and writes, have in common.
#pragma once

#include <hdf5.h>
#if __has_include(<H5FDdevelop.h>)
#include <H5FDdevelop.h>
#endif

#include <algorithm>
#include <cstddef>

namespace harmofl::hdf5 {

/// A driver's class without its functions. `value` tells drivers apart, from 512 on they are for
/// anyone; `info_size` is of what goes with a file's access properties, in bytes.
inline H5FD_class_t driver_class(const char* name, [[maybe_unused]] int value,
                                 std::size_t info_size) {
  // Member by member: HDF5 adds some from version to version.
  H5FD_class_t made{};
#ifdef H5FD_CLASS_VERSION
  made.version = H5FD_CLASS_VERSION;
  made.value = static_cast<H5FD_class_value_t>(value);
#endif
  made.name = name;
  made.maxaddr = (haddr_t{1} << 62) - 1;
  made.fc_degree = H5F_CLOSE_STRONG;
  made.fapl_size = info_size;
  constexpr H5FD_mem_t lists[H5FD_MEM_NTYPES] = H5FD_FLMAP_DICHOTOMY;
  std::ranges::copy(lists, made.fl_map);
  return made;
}

}  // namespace harmofl::hdf5
