// SPDX-License-Identifier: Apache-2.0
// Strings in HDF5: written with variable length, read with any.
//
// A text of variable length is stored as a reference, which says its length and where it lies: in a
// heap of the file, as one of the heap's objects, which say their lengths too. HDF5 believes both,
// takes memory for the one and fills it with the other. So it is asked for the references alone,
// by a conversion of its own kind, and the texts are read by TextHeaps.
#include "io/hdf5/hdf5_handle.hpp"
#include "io/hdf5/text_heaps.hpp"

#include <cstddef>
#include <cstring>
#include <memory>

namespace harmofl::hdf5 {
namespace {

constexpr std::size_t reference_bytes = 16;

template <class Number>
Number number_at(const std::byte* place) {
  Number number;
  std::memcpy(&number, place, sizeof number);
  return number;
}

/// A reference as it lies in files with addresses of 8 bytes: length, heap, object.
TextReference reference_at(const std::byte* place) {
  return {number_at<std::uint32_t>(place), number_at<std::uint64_t>(place + 4),
          number_at<std::uint32_t>(place + 12)};
}

/// For HDF5: "converts" texts of variable length to bytes by leaving them as they are.
herr_t keep_reference(hid_t from, hid_t to, H5T_cdata_t* data, std::size_t, std::size_t,
                      std::size_t, void*, void*, hid_t) {
  if (data->command != H5T_CONV_INIT) return 0;
  data->need_bkg = H5T_BKG_NO;
  return H5Tis_variable_str(from) > 0 && H5Tget_size(to) == reference_bytes ? 0 : -1;
}

/// The type in memory of a reference; an invalid one when HDF5 refuses.
Handle reference_type() {
  Handle type(H5Tcreate(H5T_OPAQUE, reference_bytes), H5Tclose);
  static const bool known = [&] {
    const Handle text = string_type();
    return H5Tregister(H5T_PERS_SOFT, "harmofl", text, type, keep_reference) >= 0;
  }();
  return known ? std::move(type) : Handle(H5I_INVALID_HID, H5Tclose);
}

void decode_variable(const File& file, std::vector<std::string>& values,
                     const std::function<herr_t(hid_t, void*)>& read) {
  TextHeaps& heaps = file.text_heaps();  // which throws for references of another size
  const Handle type = reference_type();
  std::vector<std::byte> references(values.size() * reference_bytes);
  if (!type.valid() || read(type, references.data()) < 0) {
    throw TextError(with_cause("cannot be read"));
  }
  std::int64_t left = heaps.file_bytes();  // each text lies in the file once
  for (std::size_t i = 0; i < values.size(); ++i) {
    const TextReference reference = reference_at(references.data() + i * reference_bytes);
    left -= reference.length;
    if (left < 0) throw TextError("claim more bytes than the file has");
    values[i] = heaps.text(reference);
  }
}

void decode_fixed(hid_t type, std::vector<std::string>& values,
                  const std::function<herr_t(hid_t, void*)>& read) {
  const std::size_t length = H5Tget_size(type);
  std::vector<char> buffer(values.size() * length);
  if (read(type, buffer.data()) < 0) throw TextError(with_cause("cannot be read"));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const char* text = buffer.data() + i * length;
    values[i].assign(text, strnlen(text, length));
  }
}

/// Throws TextError for a file whose references are not as above.
std::int64_t first_address(hid_t file) {
  const Handle properties(H5Fget_create_plist(file), H5Pclose);
  std::size_t address_bytes = 0, length_bytes = 0;
  H5Pget_sizes(properties, &address_bytes, &length_bytes);
  if (address_bytes != 8 || length_bytes != 8) throw TextError("have references of another size");
  hsize_t place = 0;
  H5Pget_userblock(properties, &place);
  return static_cast<std::int64_t>(place);
}

}  // namespace

TextHeaps& File::text_heaps() const {
  if (!heaps_) heaps_ = std::make_shared<TextHeaps>(path_, first_address(id_));
  return *heaps_;
}

Handle string_type() {
  Handle type(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(type, H5T_VARIABLE);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

// Compressed, references to no texts take next to nothing; names have a byte each.
std::string decode_strings(const File& file, hid_t id, hid_t type, hid_t space,
                           std::vector<std::string>& values,
                           const std::function<herr_t(hid_t, void*)>& read) {
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  if (count < 0) return "cannot be counted";
  if (count > file_bytes(id)) return "are more than the file has bytes";
  values.assign(static_cast<std::size_t>(count), {});
  try {
    if (count > 0 && H5Tis_variable_str(type) > 0) decode_variable(file, values, read);
    if (count > 0 && H5Tis_variable_str(type) <= 0) decode_fixed(type, values, read);
  } catch (const TextError& error) {
    return error.what();
  }
  return {};
}

}  // namespace harmofl::hdf5
