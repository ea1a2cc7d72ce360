// SPDX-License-Identifier: Apache-2.0
// Attributes of hdf5::File. HDF5 has no way to replace one: writing removes what is there first.
#include "harmofl/base/error.hpp"
#include "io/hdf5/hdf5_handle.hpp"

#include <algorithm>

namespace harmofl::hdf5 {
namespace {

herr_t collect_name(hid_t, const char* name, const H5A_info_t*, void* names) {
  static_cast<std::vector<std::string>*>(names)->emplace_back(name);
  return 0;
}

void write_values(const File& file, hid_t id, const std::string& object, const std::string& name,
                  hid_t type, hid_t space, const void* data) {
  const Handle owner = open_object(file, id, object);
  if (H5Aexists(owner, name.c_str()) > 0) H5Adelete(owner, name.c_str());
  Handle created(H5Acreate2(owner, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose);
  const bool empty = H5Sget_simple_extent_npoints(space) == 0;
  if (!created.valid() || (!empty && H5Awrite(created, type, data) < 0) || !created.close()) {
    file.fail(object, with_cause(concat("attribute '", name, "' cannot be written")));
  }
}

Handle scalar() { return {H5Screate(H5S_SCALAR), H5Sclose}; }

/// Opens an attribute whose elements are of `kind` ("a string", "an integer", ...).
Handle open_attribute(const File& file, hid_t id, const std::string& object,
                      const std::string& name, H5T_class_t kind, const char* kind_text) {
  const Handle owner = open_object(file, id, object);
  if (H5Aexists(owner, name.c_str()) <= 0) {
    file.fail(object, concat("attribute '", name, "' (", kind_text, ") is missing"));
  }
  Handle opened(H5Aopen(owner, name.c_str(), H5P_DEFAULT), H5Aclose);
  if (!opened.valid()) file.fail(object, with_cause("attribute '" + name + "' cannot be opened"));
  const Handle type(H5Aget_type(opened), H5Tclose);
  if (H5Tget_class(type) != kind) {
    file.fail(object, concat("attribute '", name, "': expected ", kind_text,
                             ", found a value of another type"));
  }
  // Attributes are stored as they are.
  const Handle space(H5Aget_space(opened), H5Sclose);
  const hssize_t count = H5Sget_simple_extent_npoints(space);
  const auto stored = static_cast<std::uint64_t>(file_bytes(id));
  if (count < 0 || (count > 0 && H5Tget_size(type) > stored / static_cast<std::uint64_t>(count))) {
    file.fail(object, concat("attribute '", name, "': claims ", count, " values of ",
                             H5Tget_size(type), " bytes, more than the file has"));
  }
  return opened;
}

/// Number of elements of an attribute; 1 for a scalar.
std::size_t element_count(hid_t attribute) {
  const Handle space(H5Aget_space(attribute), H5Sclose);
  return static_cast<std::size_t>(std::max<hssize_t>(0, H5Sget_simple_extent_npoints(space)));
}

template <class Number>
std::vector<Number> read_numbers(const File& file, const std::string& object,
                                 const std::string& name, hid_t attribute, Type type) {
  std::vector<Number> values(element_count(attribute));
  if (!values.empty() && H5Aread(attribute, native_type(type), values.data()) < 0) {
    file.fail(object, with_cause("attribute '" + name + "' cannot be read"));
  }
  return values;
}

template <class Value>
Value only(const File& file, const std::string& object, const std::string& name,
           const std::vector<Value>& values) {
  if (values.size() != 1) {
    file.fail(object, concat("attribute '", name, "': expected one value, found ", values.size()));
  }
  return values.front();
}

}  // namespace

bool File::has_attribute(const std::string& object, const std::string& name) const {
  if (!exists(object)) return false;
  const Handle owner = open_object(*this, id_, object);
  return H5Aexists(owner, name.c_str()) > 0;
}

void File::write_attribute(const std::string& object, const std::string& name,
                           const std::string& value) {
  const char* text = value.c_str();
  write_values(*this, id_, object, name, string_type(), scalar(), &text);
}

void File::write_attribute(const std::string& object, const std::string& name, std::int64_t value) {
  write_values(*this, id_, object, name, H5T_NATIVE_INT64, scalar(), &value);
}

void File::write_attribute(const std::string& object, const std::string& name, double value) {
  write_values(*this, id_, object, name, H5T_NATIVE_DOUBLE, scalar(), &value);
}

void File::write_attribute(const std::string& object, const std::string& name,
                           const std::vector<std::string>& values) {
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  const hsize_t size = texts.size();
  const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose);
  write_values(*this, id_, object, name, string_type(), space, texts.data());
}

void File::write_attribute(const std::string& object, const std::string& name,
                           const std::vector<double>& values) {
  const hsize_t size = values.size();
  const Handle space(H5Screate_simple(1, &size, nullptr), H5Sclose);
  write_values(*this, id_, object, name, H5T_NATIVE_DOUBLE, space, values.data());
}

std::vector<std::string> File::strings_attribute(const std::string& object,
                                                 const std::string& name) const {
  const Handle opened = open_attribute(*this, id_, object, name, H5T_STRING, "strings");
  const Handle space(H5Aget_space(opened), H5Sclose);
  const Handle type(H5Aget_type(opened), H5Tclose);
  std::vector<std::string> values;
  const auto read = [&](hid_t memory_type, void* buffer) {
    return H5Aread(opened, memory_type, buffer);
  };
  const std::string problem = decode_strings(*this, id_, type, space, values, read);
  if (!problem.empty()) fail(object, concat("attribute '", name, "': its texts ", problem));
  return values;
}

std::string File::string_attribute(const std::string& object, const std::string& name) const {
  return only(*this, object, name, strings_attribute(object, name));
}

std::vector<std::int64_t> File::ints_attribute(const std::string& object,
                                               const std::string& name) const {
  const Handle opened = open_attribute(*this, id_, object, name, H5T_INTEGER, "integers");
  return read_numbers<std::int64_t>(*this, object, name, opened, Type::int64);
}

std::int64_t File::int_attribute(const std::string& object, const std::string& name) const {
  return only(*this, object, name, ints_attribute(object, name));
}

std::vector<double> File::floats_attribute(const std::string& object,
                                           const std::string& name) const {
  const Handle opened = open_attribute(*this, id_, object, name, H5T_FLOAT, "floating point");
  return read_numbers<double>(*this, object, name, opened, Type::float64);
}

double File::float_attribute(const std::string& object, const std::string& name) const {
  return only(*this, object, name, floats_attribute(object, name));
}

std::vector<std::string> File::attribute_names(const std::string& object) const {
  const Handle owner = open_object(*this, id_, object);
  std::vector<std::string> names;
  hsize_t position = 0;
  H5Aiterate2(owner, H5_INDEX_NAME, H5_ITER_INC, &position, collect_name, &names);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace harmofl::hdf5
