// SPDX-License-Identifier: Apache-2.0
// Datasets of hdf5::File: shapes, types, numbers and strings.
#include "harmofl/base/error.hpp"
#include "io/hdf5/hdf5_handle.hpp"

#include <algorithm>
#include <array>

namespace harmofl::hdf5 {
namespace {

/// Deflate shrinks at most 1032 to 1, so a dataset of more than that per stored byte is a lie;
/// without deflate, one of more than is stored.
constexpr std::int64_t best_compression = 1032;

std::vector<hsize_t> dimensions(const std::vector<std::int64_t>& shape) {
  return {shape.begin(), shape.end()};
}

Handle make_space(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return {H5Screate(H5S_SCALAR), H5Sclose};
  const std::vector<hsize_t> sizes = dimensions(shape);
  return {H5Screate_simple(static_cast<int>(sizes.size()), sizes.data(), nullptr), H5Sclose};
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t size : shape) {
    if (size < 0 || __builtin_mul_overflow(count, size, &count)) return -1;
  }
  return count;
}

Handle creation_properties(const std::vector<std::int64_t>& shape, const Layout& layout) {
  Handle properties(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
  H5Pset_obj_track_times(properties, false);  // the same content gives the same bytes
  const bool filtered = layout.fletcher32 || layout.deflate > 0;
  const bool empty = product(shape) == 0;  // HDF5 knows no chunks without elements
  if (shape.empty() || empty || !(filtered || layout.chunk_first_axis)) return properties;
  std::vector<hsize_t> chunk = dimensions(shape);
  if (layout.chunk_first_axis && shape.size() > 1) chunk[0] = 1;
  H5Pset_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
  if (layout.deflate > 0) {
    H5Pset_shuffle(properties);
    H5Pset_deflate(properties, static_cast<unsigned>(layout.deflate));
  }
  if (layout.fletcher32) H5Pset_fletcher32(properties);
  return properties;
}

/// Describes an HDF5 type; false when this project stores no such type.
bool stored_type(hid_t type, Type& found) {
  const std::size_t bytes = H5Tget_size(type);
  switch (H5Tget_class(type)) {
    case H5T_STRING:
      found = Type::string;
      return true;
    case H5T_FLOAT:
      found = bytes == 4 ? Type::float32 : Type::float64;
      return bytes == 4 || bytes == 8;
    case H5T_INTEGER:
      found = bytes == 1 ? Type::uint8 : Type::int64;
      return H5Tget_sign(type) == (bytes == 1 ? H5T_SGN_NONE : H5T_SGN_2) &&
             (bytes == 1 || bytes == 8);
    default:
      return false;
  }
}

/// What a dataset passes through on its way to the disk.
struct Filters {
  bool fletcher32 = false;
  bool shrinks = false;
  std::int64_t chunk = 1;  ///< Elements of a chunk, all of which HDF5 holds at once.
};

Filters filters_of(hid_t dataset, int rank) {
  Filters found;
  const Handle properties(H5Dget_create_plist(dataset), H5Pclose);
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    unsigned flags = 0;
    std::size_t values = 0;
    unsigned config = 0;
    const auto filter = H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values,
                                       nullptr, 0, nullptr, &config);
    found.fletcher32 |= filter == H5Z_FILTER_FLETCHER32;
    found.shrinks |= filter != H5Z_FILTER_FLETCHER32 && filter != H5Z_FILTER_SHUFFLE;
  }
  if (H5Pget_layout(properties) == H5D_CHUNKED) {
    std::vector<hsize_t> chunk(static_cast<std::size_t>(std::max(rank, 0)));
    H5Pget_chunk(properties, rank, chunk.data());
    found.chunk = product({chunk.begin(), chunk.end()});
  }
  return found;
}

Handle open_dataset(const File& file, hid_t id, const std::string& dataset) {
  Handle opened = open_object(file, id, dataset);
  if (H5Iget_type(opened) != H5I_DATASET) {
    file.fail(dataset, "expected a dataset, found a group");
  }
  const Handle properties(H5Dget_create_plist(opened), H5Pclose);
  if (H5Pget_external_count(properties) != 0 || H5Pget_layout(properties) == H5D_VIRTUAL) {
    file.fail(dataset, "its values lie in another file, which is not read");
  }
  return opened;
}

Handle create_dataset(const File& file, hid_t id, const std::string& name, hid_t type,
                      const std::vector<std::int64_t>& shape, const Layout& layout) {
  const Handle links(H5Pcreate(H5P_LINK_CREATE), H5Pclose);
  H5Pset_create_intermediate_group(links, 1);
  const Handle space = make_space(shape);
  const Handle properties = creation_properties(shape, layout);
  Handle created(H5Dcreate2(id, name.c_str(), type, space, links, properties, H5P_DEFAULT),
                 H5Dclose);
  if (!created.valid()) file.fail(name, with_cause("cannot be written"));
  return created;
}

/// Creates a dataset, fills it and closes it, so that a full disk is noticed here.
void write_dataset(const File& file, hid_t id, const std::string& name, hid_t type,
                   const std::vector<std::int64_t>& shape, const void* data, const Layout& layout) {
  Handle created = create_dataset(file, id, name, type, shape, layout);
  const bool empty = product(shape) == 0;
  if (!empty && H5Dwrite(created, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
    file.fail(name, with_cause("cannot be written"));
  }
  if (!created.close()) file.fail(name, with_cause("cannot be written"));
}

/// What an open dataset says of itself, believed.
DatasetInfo describe(const File& file, hid_t opened, const std::string& dataset) {
  const Handle space(H5Dget_space(opened), H5Sclose);
  const Handle type(H5Dget_type(opened), H5Tclose);
  DatasetInfo info;
  if (!stored_type(type, info.type)) {
    file.fail(dataset,
              "expected elements of type uint8, int64, float32, float64 or string, found " +
                  std::to_string(H5Tget_size(type)) + "-byte elements of another type");
  }
  const int rank = H5Sget_simple_extent_ndims(space);
  std::vector<hsize_t> sizes(static_cast<std::size_t>(std::max(rank, 0)));
  H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
  info.shape.assign(sizes.begin(), sizes.end());
  info.fletcher32 = filters_of(opened, rank).fletcher32;
  return info;
}

void check_kind(const File& file, const std::string& dataset, const DatasetInfo& info, Type type) {
  if ((info.type == Type::string) == (type == Type::string)) return;
  file.fail(dataset, concat("expected elements of type ", to_string(type), ", found ",
                            to_string(info.type)));
}

/// The block of `shape` that starts at `first` of a dataset's first axis, selected; all of a
/// scalar.
Handle select_block(hid_t dataset, const std::vector<std::int64_t>& shape, std::int64_t first) {
  Handle selected(H5Dget_space(dataset), H5Sclose);
  if (shape.empty()) return selected;
  std::vector<hsize_t> start(shape.size(), 0);
  start[0] = static_cast<hsize_t>(first);
  const std::vector<hsize_t> sizes = dimensions(shape);
  H5Sselect_hyperslab(selected, H5S_SELECT_SET, start.data(), nullptr, sizes.data(), nullptr);
  return selected;
}

/// Reads the block of `shape` that starts at `first` of the first axis.
void read_block(const File& file, hid_t opened, const std::string& dataset, Type type,
                const std::vector<std::int64_t>& shape, std::int64_t first, void* data) {
  const Handle memory = make_space(shape);
  const Handle selected = select_block(opened, shape, first);
  if (H5Dread(opened, native_type(type), memory, selected, H5P_DEFAULT, data) < 0) {
    file.fail(dataset, with_cause("cannot be read: the file is damaged or cut off"));
  }
}

}  // namespace

std::string_view to_string(Type type) {
  static constexpr std::array<std::string_view, 5> names{"uint8", "int64", "float32", "float64",
                                                         "string"};
  return names[static_cast<std::size_t>(type)];
}

std::string to_string(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const std::int64_t size : shape) sizes.push_back(std::to_string(size));
  return concat('[', join(sizes), ']');
}

std::int64_t DatasetInfo::count() const { return product(shape); }

hid_t native_type(Type type) {
  switch (type) {
    case Type::uint8:
      return H5T_NATIVE_UINT8;
    case Type::int64:
      return H5T_NATIVE_INT64;
    case Type::float32:
      return H5T_NATIVE_FLOAT;
    case Type::float64:
      return H5T_NATIVE_DOUBLE;
    case Type::string:
      break;
  }
  return H5I_INVALID_HID;
}

DatasetInfo File::dataset_info(const std::string& dataset) const {
  const Handle opened = open_dataset(*this, id_, dataset);
  const DatasetInfo info = describe(*this, opened, dataset);
  const Handle type(H5Dget_type(opened), H5Tclose);
  const Filters filters = filters_of(opened, static_cast<int>(info.shape.size()));
  const auto claimed = static_cast<std::int64_t>(H5Dget_storage_size(opened));
  const std::int64_t stored = std::min(std::max<std::int64_t>(claimed, 0), file_bytes(id_));
  const std::int64_t max_bytes = stored * (filters.shrinks ? best_compression : 1);
  // What a text of any length takes in place is a reference to it.
  const auto size = static_cast<std::int64_t>(H5Tget_size(type));
  const auto fits = [&](std::int64_t elements) {
    return elements >= 0 && (elements == 0 || size <= max_bytes / elements);
  };
  const std::int64_t count = info.count();
  if (!fits(count)) {
    fail(dataset, "claims the shape " + to_string(info.shape) + ", more than is stored");
  }
  if (count > 0 && !fits(filters.chunk)) {
    fail(dataset, concat("claims chunks of ", filters.chunk, " elements, more than is stored"));
  }
  return info;
}

void File::write(const std::string& dataset, Type type, const std::vector<std::int64_t>& shape,
                 const void* data, const Layout& layout) {
  silence();
  write_dataset(*this, id_, dataset, native_type(type), shape, data, layout);
}

void File::write_strings(const std::string& dataset, const std::vector<std::string>& values) {
  silence();
  std::vector<const char*> texts;
  for (const std::string& value : values) texts.push_back(value.c_str());
  write_dataset(*this, id_, dataset, string_type(), {static_cast<std::int64_t>(texts.size())},
                texts.data(), {});
}

RowWriter File::start(const std::string& dataset, Type type, const std::vector<std::int64_t>& shape,
                      const Layout& layout) {
  silence();
  HARMOFL_EXPECT(!shape.empty());
  Handle created = create_dataset(*this, id_, dataset, native_type(type), shape, layout);
  return {*this, dataset, type, shape, std::make_unique<Handle>(std::move(created))};
}

RowWriter::RowWriter(const File& file, std::string dataset, Type type,
                     std::vector<std::int64_t> shape, std::unique_ptr<Handle> opened)
    : file_(&file),
      dataset_(std::move(dataset)),
      type_(type),
      shape_(std::move(shape)),
      opened_(std::move(opened)) {}

RowWriter::~RowWriter() = default;
RowWriter::RowWriter(RowWriter&&) noexcept = default;
RowWriter& RowWriter::operator=(RowWriter&&) noexcept = default;

void RowWriter::append(std::int64_t rows, const void* data) {
  silence();
  HARMOFL_EXPECT(rows >= 0 && rows <= shape_[0] - next_);
  std::vector<std::int64_t> block = shape_;
  block[0] = rows;
  if (product(block) == 0) return;
  const Handle memory = make_space(block);
  const Handle selected = select_block(*opened_, block, next_);
  if (H5Dwrite(*opened_, native_type(type_), memory, selected, H5P_DEFAULT, data) < 0) {
    file_->fail(dataset_, with_cause("cannot be written"));
  }
  next_ += rows;
  file_->check_disk();
}

void RowWriter::close() {
  silence();
  HARMOFL_EXPECT(next_ == shape_[0]);
  if (!opened_->close()) file_->fail(dataset_, with_cause("cannot be written"));
}

void File::read(const std::string& dataset, Type type, void* data) const {
  const DatasetInfo info = dataset_info(dataset);
  check_kind(*this, dataset, info, type);
  if (info.count() == 0) return;
  read_block(*this, open_dataset(*this, id_, dataset), dataset, type, info.shape, 0, data);
}

void File::read_rows(const std::string& dataset, Type type, void* data,
                     const std::vector<std::int64_t>& rows) const {
  // Not dataset_info: that looks at every chunk, and clients cut from one shard come here often.
  const Handle opened = open_dataset(*this, id_, dataset);
  const DatasetInfo info = describe(*this, opened, dataset);
  check_kind(*this, dataset, info, type);
  HARMOFL_EXPECT(!info.shape.empty());
  if (rows.empty() || info.count() == 0) return;
  std::vector<std::int64_t> block = info.shape;
  block[0] = 1;
  const std::size_t row_bytes =
      static_cast<std::size_t>(product(block)) * H5Tget_size(native_type(type));
  // A read a run of neighbours: HDF5 takes far longer to unite many runs into one selection.
  for (std::size_t first = 0, next = 0; first < rows.size(); first = next) {
    for (next = first + 1; next < rows.size() && rows[next] == rows[next - 1] + 1;) ++next;
    block[0] = static_cast<std::int64_t>(next - first);
    read_block(*this, opened, dataset, type, block, rows[first],
               static_cast<std::byte*>(data) + first * row_bytes);
  }
}

std::vector<std::string> File::read_strings(const std::string& dataset) const {
  const DatasetInfo info = dataset_info(dataset);
  if (info.type != Type::string || info.shape.size() != 1) {
    fail(dataset, concat("expected strings of shape [N], found ", to_string(info.type), " ",
                         to_string(info.shape)));
  }
  const Handle opened = open_dataset(*this, id_, dataset);
  const Handle space(H5Dget_space(opened), H5Sclose);
  const Handle type(H5Dget_type(opened), H5Tclose);
  std::vector<std::string> values;
  const auto read = [&](hid_t memory_type, void* buffer) {
    return H5Dread(opened, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, buffer);
  };
  const std::string problem = decode_strings(*this, id_, type, space, values, read);
  if (!problem.empty()) {
    fail(dataset, concat("its texts ", problem, ": the file is damaged or cut off"));
  }
  return values;
}

}  // namespace harmofl::hdf5
