// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: owned HDF5 identifiers, and what HDF5 says about its last failure.
#pragma once

#include "io/hdf5/hdf5.hpp"

#include <hdf5.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl::hdf5 {

/// Owns one HDF5 identifier; a negative one is a failed call.
class Handle {
 public:
  using Close = herr_t (*)(hid_t);

  Handle(hid_t id, Close closer) : id_(id), close_(closer) {}
  ~Handle() { close(); }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;

  operator hid_t() const { return id_; }
  bool valid() const { return id_ >= 0; }

  /// Closes now. Returns false when what was still in memory could not be written.
  bool close() { return id_ < 0 || close_(std::exchange(id_, -1)) >= 0; }

 private:
  hid_t id_;
  Close close_;
};

/// Keeps HDF5 from printing its error stack, which stays readable, and from loading plugins. Per
/// thread.
void silence();

/// The innermost entry of HDF5's error stack, "No space left on device", or "" when it is empty.
std::string last_error();

/// `problem` with the innermost HDF5 error in brackets.
std::string with_cause(const std::string& problem);

/// The type of `type` in memory.
hid_t native_type(Type type);

/// A type for UTF-8 strings of any length.
Handle string_type();

/// Reads strings, of fixed or variable length, of the open file `id` with `read(memory type,
/// buffer)`. Returns "" or what is wrong with them, "claim more bytes than the file has".
std::string decode_strings(const File& file, hid_t id, hid_t type, hid_t space,
                           std::vector<std::string>& values,
                           const std::function<herr_t(hid_t, void*)>& read);

/// Size of the file, in bytes; 0 when HDF5 does not say.
std::int64_t file_bytes(hid_t file);

/// Opens a dataset or group. Throws UserError when there is none of that name.
Handle open_object(const File& file, hid_t id, const std::string& object);

}  // namespace harmofl::hdf5
