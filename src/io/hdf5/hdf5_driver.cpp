// SPDX-License-Identifier: Apache-2.0
// A file driver of HDF5's: the functions that it calls to make, read, write and close a file.
//
// They tell HDF5 of no failure of the disk, which BlockFile remembers: when a write fails, HDF5's
// own drivers leave a file that cannot be closed, and the library tries again when the process
// ends, and crashes there.
#include "io/hdf5/hdf5_driver.hpp"

#include "io/hdf5/hdf5_driver_class.hpp"

#include <algorithm>
#include <new>

namespace harmofl::hdf5 {
namespace {

/// HDF5 holds it by its first member, which HDF5 fills.
struct Driver {
  H5FD_t base{};
  DrivenFile* file = nullptr;
  haddr_t written = 0;  ///< End of what was written, in bytes.
};

/// What goes with a file's access properties.
struct DriverInfo {
  DrivenFile* file = nullptr;
};

Driver& driver_of(H5FD_t* base) { return *reinterpret_cast<Driver*>(base); }
const Driver& driver_of(const H5FD_t* base) { return *reinterpret_cast<const Driver*>(base); }

H5FD_t* open_file(const char*, unsigned, hid_t properties, haddr_t) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(properties));
  auto* driver = info == nullptr ? nullptr : new (std::nothrow) Driver();
  if (driver == nullptr) return nullptr;
  driver->file = info->file;
  return &driver->base;
}

herr_t close_file(H5FD_t* base) {
  delete &driver_of(base);
  return 0;
}

herr_t features_of(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
           H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}

haddr_t end_of_content(const H5FD_t* base, H5FD_mem_t) {
  return static_cast<haddr_t>(driver_of(base).file->size);
}

herr_t set_end_of_content(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  driver_of(base).file->size = static_cast<std::int64_t>(address);
  return 0;
}

haddr_t end_of_file(const H5FD_t* base, H5FD_mem_t) { return driver_of(base).written; }

/// Calls `work`; returns what HDF5 takes for success or, when memory is out, for failure.
template <class Work>
herr_t guarded(const Work& work) noexcept {
  try {
    work();
    return 0;
  } catch (const std::bad_alloc&) {
    return -1;
  }
}

herr_t read_file(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* buffer) {
  return guarded([&] {
    driver_of(base).file->blocks.read(static_cast<std::int64_t>(address),
                                      {static_cast<std::byte*>(buffer), size});
  });
}

herr_t write_file(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size,
                  const void* buffer) {
  Driver& driver = driver_of(base);
  driver.written = std::max<haddr_t>(driver.written, address + size);
  return guarded([&] {
    driver.file->blocks.write(static_cast<std::int64_t>(address),
                              {static_cast<const std::byte*>(buffer), size});
  });
}

herr_t truncate_file(H5FD_t* base, hid_t, hbool_t) {
  driver_of(base).written = static_cast<haddr_t>(driver_of(base).file->size);
  return 0;
}

H5FD_class_t make_class() {
  H5FD_class_t made = driver_class("harmofl", 600, sizeof(DriverInfo));
  made.open = open_file;
  made.close = close_file;
  made.query = features_of;
  made.get_eoa = end_of_content;
  made.set_eoa = set_end_of_content;
  made.get_eof = end_of_file;
  made.read = read_file;
  made.write = write_file;
  made.truncate = truncate_file;
  return made;
}

}  // namespace

bool drive(std::int64_t properties, DrivenFile& file) {
  static const H5FD_class_t driver = make_class();
  static const hid_t id = H5FDregister(&driver);
  const DriverInfo info{&file};
  return id >= 0 && H5Pset_driver(properties, id, &info) >= 0;
}

}  // namespace harmofl::hdf5
