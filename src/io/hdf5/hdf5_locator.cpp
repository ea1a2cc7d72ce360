// SPDX-License-Identifier: Apache-2.0
// HDF5 1.10 and 1.12 answer where one chunk lies by looking at all of them. To read one they find
// it in their tree at once: so we let them read, and note from where.
#include "io/hdf5/hdf5_locator.hpp"

#include "io/hdf5/hdf5_driver_class.hpp"

#include <new>

namespace harmofl::hdf5 {
namespace locator {
namespace {

/// HDF5 holds it by its first member, which HDF5 fills.
struct Driver {
  H5FD_t base{};
  LocatedFile* located = nullptr;
  haddr_t end = 0;  ///< Of the content, as HDF5 sets it.
};

/// What goes with a file's access properties.
struct DriverInfo {
  LocatedFile* located = nullptr;
};

Driver& driver_of(H5FD_t* base) { return *reinterpret_cast<Driver*>(base); }
const Driver& driver_of(const H5FD_t* base) { return *reinterpret_cast<const Driver*>(base); }

H5FD_t* open_file(const char*, unsigned, hid_t properties, haddr_t) {
  const auto* info = static_cast<const DriverInfo*>(H5Pget_driver_info(properties));
  auto* driver = info == nullptr ? nullptr : new (std::nothrow) Driver();
  if (driver == nullptr) return nullptr;
  driver->located = info->located;
  return &driver->base;
}

herr_t close_file(H5FD_t* base) {
  delete &driver_of(base);
  return 0;
}

/// None: nothing may come between HDF5 and the reads that are noted.
herr_t features_of(const H5FD_t*, unsigned long* flags) {
  *flags = 0;
  return 0;
}

haddr_t end_of_content(const H5FD_t* base, H5FD_mem_t) { return driver_of(base).end; }

herr_t set_end_of_content(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  driver_of(base).end = address;
  return 0;
}

haddr_t end_of_file(const H5FD_t* base, H5FD_mem_t) {
  return static_cast<haddr_t>(driver_of(base).located->file->size());
}

herr_t read_file(H5FD_t* base, H5FD_mem_t kind, hid_t, haddr_t address, size_t size,
                 void* buffer) noexcept {
  LocatedFile& located = *driver_of(base).located;
  if (located.noting && kind == H5FD_MEM_DRAW) {
    located.offset = static_cast<std::int64_t>(address);
    located.bytes = static_cast<std::int64_t>(size);
    return 0;
  }
  try {
    located.file->read(static_cast<std::int64_t>(address), {static_cast<std::byte*>(buffer), size});
    return 0;
  } catch (...) {
    return -1;
  }
}

/// HDF5 wants the function to be there; nothing is written to a file that is open for reading.
herr_t write_file(H5FD_t*, H5FD_mem_t, hid_t, haddr_t, size_t, const void*) { return -1; }

H5FD_class_t make_class() {
  H5FD_class_t made = driver_class("harmofl_locator", 601, sizeof(DriverInfo));
  made.open = open_file;
  made.close = close_file;
  made.query = features_of;
  made.get_eoa = end_of_content;
  made.set_eoa = set_end_of_content;
  made.get_eof = end_of_file;
  made.read = read_file;
  made.write = write_file;
  return made;
}

}  // namespace
}  // namespace locator

bool locate_through(std::int64_t properties, LocatedFile& file) {
  static const H5FD_class_t driver = locator::make_class();
  static const hid_t id = H5FDregister(&driver);
  const locator::DriverInfo info{&file};
  return id >= 0 && H5Pset_driver(properties, id, &info) >= 0;
}

}  // namespace harmofl::hdf5
