/// Changes an intact HDF5 file as the bytes of an input say, through HDF5's own library: its
/// checksums and structures stay right, so that what is tested is what this project checks.
#pragma once

#include "harmofl/base/text.hpp"

#include <hdf5.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::fuzz {

/// The names that changes draw from.
struct ScriptNames {
  std::vector<std::string> objects;
  std::vector<std::string> attributes;
};

/// Takes choices off the front of an input; zeros when it is at its end.
class Choices {
 public:
  explicit Choices(std::string_view bytes) : rest_(bytes) {}

  bool done() const { return rest_.empty(); }
  template <class Number>
  Number number() {
    Number value{};
    const std::size_t size = std::min(sizeof(Number), rest_.size());
    std::memcpy(&value, rest_.data(), size);
    rest_.remove_prefix(size);
    return value;
  }
  unsigned below(unsigned end) { return number<unsigned char>() % end; }
  const std::string& of(const std::vector<std::string>& names) {
    return names[below(static_cast<unsigned>(names.size()))];
  }
  std::string text() {
    const std::size_t size = std::min<std::size_t>(below(32), rest_.size());
    const std::string taken(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return taken;
  }

 private:
  std::string_view rest_;
};

/// Applies the changes of an input to the file at `path`.
class Hdf5Script {
 public:
  Hdf5Script(const std::string& path, const ScriptNames& names, std::string_view input)
      : names_(names), choices_(input) {
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_file_locking(access, false, true);
    file_ = H5Fopen(path.c_str(), H5F_ACC_RDWR, access);
    for (int change = 0; change < max_changes && !choices_.done(); ++change) apply();
    H5Fclose(file_);
    H5Pclose(access);
  }

 private:
  static constexpr int max_changes = 8;

  void apply() {
    switch (choices_.below(8)) {
      case 0:
        return write_attribute();
      case 1:
        return remove_attribute(choices_.of(names_.objects), choices_.of(names_.attributes));
      case 2:
        H5Ldelete(file_, choices_.of(names_.objects).c_str(), H5P_DEFAULT);
        return;
      case 3:
        return make_dataset(choices_.of(names_.objects));
      case 4:
        return overwrite(choices_.of(names_.objects));
      case 5:
        H5Gclose(H5Gcreate2(file_, choices_.of(names_.objects).c_str(), H5P_DEFAULT, H5P_DEFAULT,
                            H5P_DEFAULT));
        return;
      case 6:
        return link(H5Lcreate_hard);
      default:
        const std::string from = choices_.of(names_.objects), to = choices_.of(names_.objects);
        H5Lcreate_soft(from.c_str(), file_, to.c_str(), H5P_DEFAULT, H5P_DEFAULT);
    }
  }

  template <class Create>
  void link(Create create) {
    const std::string from = choices_.of(names_.objects), to = choices_.of(names_.objects);
    create(file_, from.c_str(), file_, to.c_str(), H5P_DEFAULT, H5P_DEFAULT);
  }

  void remove_attribute(const std::string& object, const std::string& name) {
    H5Adelete_by_name(file_, object.c_str(), name.c_str(), H5P_DEFAULT);
  }

  /// One of the types that readers know or must refuse.
  hid_t type() {
    static const hid_t variable = [] {
      const hid_t made = H5Tcopy(H5T_C_S1);
      H5Tset_size(made, H5T_VARIABLE);
      return made;
    }();
    static const hid_t fixed = [] {
      const hid_t made = H5Tcopy(H5T_C_S1);
      H5Tset_size(made, 5);
      return made;
    }();
    const hid_t types[] = {
        H5T_NATIVE_UINT8,  H5T_NATIVE_INT64, H5T_NATIVE_FLOAT, H5T_NATIVE_DOUBLE, H5T_NATIVE_INT32,
        H5T_NATIVE_UINT64, H5T_IEEE_F32BE,   H5T_STD_I64BE,    variable,          fixed,
        H5T_NATIVE_OPAQUE, H5T_STD_REF_OBJ};
    return types[choices_.below(std::size(types))];
  }

  /// Few sizes, some of them zero; with `large`, some that no file can hold.
  std::vector<hsize_t> sizes(unsigned max_axes, bool large) {
    std::vector<hsize_t> found(choices_.below(max_axes + 1));
    for (hsize_t& size : found) {
      size = choices_.below(8);
      if (large && size == 7) size = hsize_t{1} << choices_.below(62);
    }
    return found;
  }

  /// Bytes for `count` values of `type`, and the texts that they point to.
  std::vector<char> values(hid_t of_type, hssize_t count) {
    text_ = choices_.text();
    std::vector<char> bytes(static_cast<std::size_t>(count) * H5Tget_size(of_type), 0);
    if (H5Tis_variable_str(of_type) > 0) {
      const char* place = text_.c_str();
      for (std::size_t i = 0; i + sizeof(place) <= bytes.size(); i += sizeof(place)) {
        std::memcpy(&bytes[i], &place, sizeof(place));
      }
    } else if (H5Tget_class(of_type) != H5T_REFERENCE && !text_.empty()) {
      for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = text_[i % text_.size()];
    }
    return bytes;
  }

  void write_attribute() {
    const std::string object = choices_.of(names_.objects), name = choices_.of(names_.attributes);
    remove_attribute(object, name);
    const hid_t made_type = type();
    const std::vector<hsize_t> shape = sizes(2, false);
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t made = H5Acreate_by_name(file_, object.c_str(), name.c_str(), made_type, space,
                                         H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const std::vector<char> data = values(made_type, H5Sget_simple_extent_npoints(space));
    if (made >= 0 && !data.empty()) H5Awrite(made, made_type, data.data());
    if (made >= 0) H5Aclose(made);
    H5Sclose(space);
  }

  /// Makes a dataset anew; one that is large stays without its data.
  void make_dataset(const std::string& name) {
    H5Ldelete(file_, name.c_str(), H5P_DEFAULT);
    const hid_t made_type = type();
    const std::vector<hsize_t> shape = sizes(4, true);
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR)
                      : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t properties = H5Pcreate(H5P_DATASET_CREATE);
    const unsigned filters = choices_.below(16);
    if (!shape.empty() && (filters & 1u) != 0) {
      std::vector<hsize_t> chunk = shape;
      for (hsize_t& size : chunk) size = std::clamp<hsize_t>(size, 1, 4);
      H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
      if ((filters & 2u) != 0) H5Pset_deflate(properties, 1);
      if ((filters & 4u) != 0) H5Pset_fletcher32(properties);
    }
    const hid_t links = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(links, 1);
    const hid_t made =
        H5Dcreate2(file_, name.c_str(), made_type, space, links, properties, H5P_DEFAULT);
    if (made >= 0) H5Dclose(made);
    H5Pclose(links);
    H5Pclose(properties);
    H5Sclose(space);
    overwrite(name);
  }

  void overwrite(const std::string& name) {
    const hid_t dataset = H5Dopen2(file_, name.c_str(), H5P_DEFAULT);
    if (dataset < 0) return;
    const hid_t space = H5Dget_space(dataset);
    const hid_t stored_type = H5Dget_type(dataset);
    const hssize_t count = H5Sget_simple_extent_npoints(space);
    if (count > 0 && count <= max_values) {
      const std::vector<char> data = values(stored_type, count);
      H5Dwrite(dataset, stored_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data.data());
    }
    H5Tclose(stored_type);
    H5Sclose(space);
    H5Dclose(dataset);
  }

  static constexpr hssize_t max_values = 4096;

  const ScriptNames& names_;
  Choices choices_;
  hid_t file_ = -1;
  std::string text_;
};

}  // namespace harmofl::fuzz
