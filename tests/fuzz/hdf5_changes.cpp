// SPDX-License-Identifier: Apache-2.0
#include "fuzz/hdf5_changes.hpp"

#include "base/checksum.hpp"
#include "fuzz/targets.hpp"
#include "io/hdf5/hdf5_handle.hpp"
#include "support/temp_folder.hpp"

#include <hdf5.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <span>

namespace harmofl::fuzz {
namespace {

using hdf5::Handle;  // what HDF5 refuses stays undone

constexpr int max_changes = 8;
constexpr std::size_t max_bytes =
    1 << 12;  ///< Of what is stored by one change, in a chunk a byte at most.

/// The bytes of an input as choices; zeros once they are used up.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : bytes_(bytes) {}

  bool empty() const { return bytes_.empty(); }
  std::size_t below(std::size_t count) { return next() % count; }

  /// Small, near a limit, or any.
  std::int64_t number() {
    constexpr std::int64_t limits[] = {0,         1,         -1,        255,
                                       256,       65'535,    1LL << 31, 1LL << 32,
                                       1LL << 40, 1LL << 62, INT64_MAX, INT64_MIN};
    const std::size_t kind = below(std::size(limits) + 4);
    if (kind < std::size(limits)) return limits[kind];
    std::int64_t value = 0;
    const std::size_t length = kind == std::size(limits) ? 8 : 1;
    for (std::size_t i = 0; i < length; ++i) value = value << 8 | static_cast<std::int64_t>(next());
    return value;
  }

  std::string text() {
    const std::size_t length = below(256);
    std::string text(bytes_.substr(0, length));
    bytes_.remove_prefix(std::min(length, bytes_.size()));
    return text;
  }

 private:
  std::size_t next() {
    if (bytes_.empty()) return 0;
    const auto byte = static_cast<unsigned char>(bytes_.front());
    bytes_.remove_prefix(1);
    return byte;
  }

  std::string_view bytes_;
};

hid_t string_type(std::size_t size, bool utf8) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, size);
  if (utf8) H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/// A type of the file, and how a value is given for it.
Handle drawn_type(Choices& choices) {
  const hid_t plain[] = {H5T_STD_U8LE,  H5T_STD_I64LE, H5T_IEEE_F32LE,  H5T_IEEE_F64LE,
                         H5T_STD_U64BE, H5T_STD_I8LE,  H5T_STD_REF_OBJ, H5T_STD_B16LE};
  const std::size_t kind = choices.below(std::size(plain) + 4);
  if (kind < std::size(plain)) return {H5Tcopy(plain[kind]), H5Tclose};
  switch (kind - std::size(plain)) {
    case 0:
      return {string_type(H5T_VARIABLE, true), H5Tclose};
    case 1:
      return {string_type(static_cast<std::size_t>(choices.number()) | 1U, false), H5Tclose};
    case 2:
      return {H5Tvlen_create(H5T_STD_I64LE), H5Tclose};
    default: {
      const hsize_t side[] = {1 + choices.below(5)};
      return {H5Tarray_create2(H5T_IEEE_F32LE, 1, side), H5Tclose};
    }
  }
}

Handle drawn_space(Choices& choices) {
  if (choices.below(8) == 0) return {H5Screate(H5S_NULL), H5Sclose};
  std::vector<hsize_t> shape(choices.below(6));
  for (hsize_t& side : shape) side = static_cast<hsize_t>(choices.number());
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  return {H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose};
}

/// Bytes of a space's elements, or too many. HDF5 does not notice when their number overflows.
std::size_t size_of(hid_t space, hid_t type) {
  std::vector<hsize_t> shape(static_cast<std::size_t>(H5Sget_simple_extent_ndims(space)));
  H5Sget_simple_extent_dims(space, shape.data(), nullptr);
  std::size_t size = H5Sget_simple_extent_type(space) == H5S_NULL ? 0 : H5Tget_size(type);
  for (const hsize_t side : shape) {
    if (__builtin_mul_overflow(size, side, &size)) return max_bytes + 1;
  }
  return std::min(size, max_bytes + 1);
}

bool has_pointers(hid_t type) {
  return H5Tis_variable_str(type) > 0 || H5Tdetect_class(type, H5T_VLEN) > 0 ||
         H5Tdetect_class(type, H5T_REFERENCE) > 0;
}

/// Values for `size` bytes: of the input, again and again.
std::string drawn_bytes(Choices& choices, std::size_t size) {
  const std::string text = choices.text() + '\0';
  std::string bytes;
  while (bytes.size() < size) bytes += text;
  return bytes.substr(0, size);
}

/// Attribute `name` of `object` as drawn; texts are given where the type wants them.
void set_attribute(hid_t object, const std::string& name, Choices& choices) {
  H5Adelete(object, name.c_str());
  const Handle type = drawn_type(choices);
  const Handle space = drawn_space(choices);
  if (!type.valid() || !space.valid() || size_of(space, type) > max_bytes) return;
  const Handle attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT),
                         H5Aclose);
  if (!attribute.valid()) return;
  if (H5Tis_variable_str(type) > 0) {
    const std::string text = choices.text();
    const auto count = static_cast<std::size_t>(H5Sget_simple_extent_npoints(space));
    const std::vector<const char*> texts(count, text.c_str());
    if (count > 0) H5Awrite(attribute, type, texts.data());
  } else if (!has_pointers(type)) {
    const std::string bytes = drawn_bytes(choices, size_of(space, type));
    if (!bytes.empty()) H5Awrite(attribute, type, bytes.data());
  }
}

void add_text(hid_t object, const char* name, const std::string& text) {
  const Handle type(string_type(H5T_VARIABLE, true), H5Tclose);
  const Handle space(H5Screate(H5S_SCALAR), H5Sclose);
  H5Adelete(object, name);
  const Handle attribute(H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const char* pointer = text.c_str();
  if (attribute.valid()) H5Awrite(attribute, type, &pointer);
}

/// The checksum of what a small dataset holds, as its attribute.
void mend_checksum(hid_t dataset) {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const std::size_t size = size_of(space, type);
  if (size > max_bytes || has_pointers(type)) return;
  std::string bytes(size, '\0');
  if (size > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data()) < 0) return;
  add_text(dataset, "xxh3", checksum(std::as_bytes(std::span(bytes))));
}

void write_dataset(hid_t dataset, Choices& choices) {
  const Handle type(H5Dget_type(dataset), H5Tclose);
  const Handle space(H5Dget_space(dataset), H5Sclose);
  const std::size_t size = size_of(space, type);
  if (!type.valid() || !space.valid() || size == 0 || size > max_bytes) return;
  if (H5Tis_variable_str(type) > 0) {
    const std::string text = choices.text();
    const std::vector<const char*> texts(size / sizeof(char*), text.c_str());
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data());
  } else if (!has_pointers(type)) {
    const std::string bytes = drawn_bytes(choices, size);
    H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, bytes.data());
  }
  if (choices.below(2) == 0) mend_checksum(dataset);
}

/// Another dataset in the place of `name`, of any size: what is large is announced, not stored.
void replace_dataset(hid_t file, const std::string& name, Choices& choices) {
  H5Ldelete(file, name.c_str(), H5P_DEFAULT);
  const Handle type = drawn_type(choices);
  const Handle space = drawn_space(choices);
  if (!type.valid() || !space.valid()) return;
  const Handle layout(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  const int rank = H5Sget_simple_extent_ndims(space);
  switch (choices.below(4)) {
    case 0:
      H5Pset_layout(layout, H5D_COMPACT);
      break;
    case 1:
      H5Pset_alloc_time(layout, H5D_ALLOC_TIME_LATE);
      break;
    case 2: {
      if (rank < 1) break;
      std::vector<hsize_t> chunk(static_cast<std::size_t>(rank));
      for (hsize_t& side : chunk) side = 1 + choices.below(8);
      H5Pset_chunk(layout, rank, chunk.data());
      if (choices.below(2) == 0) H5Pset_fletcher32(layout);
      if (choices.below(4) == 0) H5Pset_deflate(layout, 1);
      break;
    }
    default:
      H5Pset_external(layout, "/proc/self/exe", 0, H5F_UNLIMITED);
      break;
  }
  const Handle dataset(
      H5Dcreate2(file, name.c_str(), type, space, H5P_DEFAULT, layout, H5P_DEFAULT), H5Dclose);
  if (!dataset.valid()) return;
  if (choices.below(2) == 0) write_dataset(dataset, choices);
  mend_checksum(dataset);
  add_text(dataset, "role", "parameter");
  const Handle scalar(H5Screate(H5S_SCALAR), H5Sclose);
  const Handle index(H5Acreate2(dataset, "index", H5T_STD_I64LE, scalar, H5P_DEFAULT, H5P_DEFAULT),
                     H5Aclose);
  const std::int64_t value = choices.number();
  if (index.valid()) H5Awrite(index, H5T_NATIVE_INT64, &value);
}

void link(hid_t file, const std::string& name, const std::string& target, Choices& choices) {
  H5Ldelete(file, name.c_str(), H5P_DEFAULT);
  switch (choices.below(4)) {
    case 0:
      H5Lcreate_hard(file, target.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 1:
      H5Lcreate_soft(target.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
      break;
    case 2:
      H5Lcreate_soft("/nowhere", file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
      break;
    default:
      H5Lcreate_external("other.h5", target.c_str(), file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  }
}

void change(hid_t file, const Hdf5Objects& objects, Choices& choices) {
  const std::size_t kind = choices.below(8);
  const std::string& name = objects.names[choices.below(objects.names.size())];
  switch (kind) {
    case 0:
      H5Ldelete(file, name.c_str(), H5P_DEFAULT);
      return;
    case 1:
      replace_dataset(file, name, choices);
      return;
    case 2:
      link(file, name, objects.names[choices.below(objects.names.size())], choices);
      return;
    case 3: {
      H5Ldelete(file, name.c_str(), H5P_DEFAULT);
      const Handle group(H5Gcreate2(file, name.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT),
                         H5Gclose);
      return;
    }
    default:
      break;
  }
  // the root in one of four cases, since most of what is said of a file is said there
  const Handle object(H5Oopen(file, choices.below(4) == 0 ? "/" : name.c_str(), H5P_DEFAULT),
                      H5Oclose);
  if (!object.valid()) return;
  const std::string& attribute = objects.attributes[choices.below(objects.attributes.size())];
  if (kind == 4) {
    H5Adelete(object, attribute.c_str());
  } else if (kind == 5 && H5Iget_type(object) == H5I_DATASET) {
    write_dataset(object, choices);
  } else if (kind == 6) {
    add_text(object, attribute.c_str(), choices.text());
  } else {
    set_attribute(object, attribute, choices);
  }
}

}  // namespace

std::filesystem::path stored(std::string_view bytes) {
  static const test::TempFolder folder;
  const std::filesystem::path path = folder / "x.h5";
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  require(file.good(), "the temporary folder takes a file");
  return path;
}

std::string changed_hdf5(std::string_view intact, const Hdf5Objects& objects,
                         std::string_view input) {
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // what HDF5 refuses is no news here
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fapl_core(access, 1 << 16, false);
  H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
  H5Pset_file_image(access, const_cast<char*>(intact.data()), intact.size());  // it is copied
  const Handle file(H5Fopen("in memory", H5F_ACC_RDWR, access), H5Fclose);
  require(file.valid(), "HDF5 opens the intact file");
  Choices choices(input);
  for (int i = 0; i < max_changes && !choices.empty(); ++i) change(file, objects, choices);
  H5Fflush(file, H5F_SCOPE_GLOBAL);
  std::string bytes(static_cast<std::size_t>(H5Fget_file_image(file, nullptr, 0)), '\0');
  require(H5Fget_file_image(file, bytes.data(), bytes.size()) >= 0, "HDF5 gives the file");
  return bytes;
}

}  // namespace harmofl::fuzz
