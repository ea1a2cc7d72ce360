// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5_image.hpp"

#include <hdf5.h>

#include <algorithm>
#include <cstdlib>

namespace harmofl::hdf5 {
namespace {

constexpr std::size_t step_bytes = std::size_t{4} << 20;  // that HDF5 asks for more by

}  // namespace

void Image::Free::operator()(char* memory) const { std::free(memory); }

// Twice the memory each time: to grow by small steps would copy a large file many times over. What
// is not written to yet takes no room.
char* Image::resize(std::size_t size) {
  if (size <= capacity_) return memory_.get();
  const std::size_t wanted = std::max(size, 2 * capacity_);
  void* grown = std::realloc(memory_.get(), wanted);
  if (grown == nullptr) return nullptr;  // the memory is still there, as HDF5 expects
  static_cast<void>(memory_.release());
  memory_.reset(static_cast<char*>(grown));
  capacity_ = wanted;
  return memory_.get();
}

bool Image::lend_to(std::int64_t properties) {
  H5FD_file_image_callbacks_t calls{};
  calls.image_realloc = [](void*, std::size_t size, H5FD_file_image_op_t, void* image) -> void* {
    return static_cast<Image*>(image)->resize(size);
  };
  calls.image_free = [](void*, H5FD_file_image_op_t, void*) -> herr_t { return 0; };  // ours
  calls.udata_copy = [](void* image) { return image; };
  calls.udata_free = [](void*) -> herr_t { return 0; };
  calls.udata = this;
  return H5Pset_fapl_core(properties, step_bytes, false) >= 0 &&
         H5Pset_file_image_callbacks(properties, &calls) >= 0;
}

}  // namespace harmofl::hdf5
