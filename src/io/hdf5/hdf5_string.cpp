// SPDX-License-Identifier: Apache-2.0
// Strings in HDF5: written with variable length, read with any.
#include "io/hdf5/hdf5_handle.hpp"

#include <cstring>

namespace harmofl::hdf5 {
namespace {

bool decode_variable(hid_t type, hid_t space, std::vector<std::string>& values,
                     const std::function<herr_t(hid_t, void*)>& read) {
  const Handle memory_type = string_type();
  H5Tset_cset(memory_type, H5Tget_cset(type));  // HDF5 does not convert character sets
  std::vector<char*> texts(values.size(), nullptr);
  const bool done = read(memory_type, texts.data()) >= 0;
  for (std::size_t i = 0; done && i < texts.size(); ++i) {
    if (texts[i] != nullptr) values[i] = texts[i];
  }
  if (done) H5Dvlen_reclaim(memory_type, space, H5P_DEFAULT, texts.data());
  return done;
}

bool decode_fixed(hid_t type, std::vector<std::string>& values,
                  const std::function<herr_t(hid_t, void*)>& read) {
  const std::size_t length = H5Tget_size(type);
  std::vector<char> buffer(values.size() * length);
  if (read(type, buffer.data()) < 0) return false;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const char* text = buffer.data() + i * length;
    values[i].assign(text, strnlen(text, length));
  }
  return true;
}

}  // namespace

Handle string_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

bool decode_strings(hid_t type, hid_t space, std::vector<std::string>& values,
                    const std::function<herr_t(hid_t, void*)>& read) {
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  if (count < 0) return false;
  values.assign(static_cast<std::size_t>(count), {});
  if (count == 0) return true;
  return H5Tis_variable_str(type) > 0 ? decode_variable(type, space, values, read)
                                      : decode_fixed(type, values, read);
}

}  // namespace harmofl::hdf5
