// SPDX-License-Identifier: Apache-2.0
#include "io/hdf5/hdf5_rows.hpp"

#include "harmofl/base/error.hpp"
#include "io/hdf5/hdf5_filters.hpp"
#include "io/hdf5/hdf5_handle.hpp"
#include "io/hdf5/hdf5_locator.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace harmofl::hdf5 {
namespace {

constexpr const char* not_streamed = ", so that its samples cannot be read one by one";

/// The dataset of a file that is opened through `located`.
struct Opened {
  Handle file, dataset;

  bool valid() const { return file.valid() && dataset.valid(); }
};

Opened open_located(const std::filesystem::path& path, const std::string& name,
                    LocatedFile& located) {
  silence();
  const Handle properties(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  H5Pset_fclose_degree(properties, H5F_CLOSE_STRONG);
  const bool ours = locate_through(properties, located);
  Handle file(ours ? H5Fopen(path.c_str(), H5F_ACC_RDONLY, properties) : -1, H5Fclose);
  Handle dataset(file.valid() ? H5Dopen2(file, name.c_str(), H5P_DEFAULT) : -1, H5Dclose);
  return {std::move(file), std::move(dataset)};
}

std::vector<std::int64_t> shape_of(hid_t dataset) {
  const Handle space(H5Dget_space(dataset), H5Sclose);
  std::vector<hsize_t> sizes(
      static_cast<std::size_t>(std::max(H5Sget_simple_extent_ndims(space), 0)));
  H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
  return {sizes.begin(), sizes.end()};
}

/// Whether a chunk is a row of `shape`.
bool has_rows_as_chunks(hid_t properties, const std::vector<std::int64_t>& shape) {
  if (H5Pget_layout(properties) != H5D_CHUNKED) return false;
  std::vector<hsize_t> chunk(shape.size());
  H5Pget_chunk(properties, static_cast<int>(chunk.size()), chunk.data());
  return chunk[0] == 1 &&
         std::equal(chunk.begin() + 1, chunk.end(), shape.begin() + 1,
                    [](hsize_t a, std::int64_t b) { return static_cast<std::int64_t>(a) == b; });
}

/// The filters, or nothing where one of them is not known here.
std::optional<std::vector<Filter>> filters_of(hid_t properties) {
  std::vector<Filter> filters;
  for (int i = 0; i < H5Pget_nfilters(properties); ++i) {
    unsigned flags = 0, config = 0;
    std::size_t values = 0;
    switch (H5Pget_filter2(properties, static_cast<unsigned>(i), &flags, &values, nullptr, 0,
                           nullptr, &config)) {
      case H5Z_FILTER_SHUFFLE:
        filters.push_back(Filter::shuffle);
        break;
      case H5Z_FILTER_DEFLATE:
        filters.push_back(Filter::deflate);
        break;
      case H5Z_FILTER_FLETCHER32:
        filters.push_back(Filter::fletcher32);
        break;
      default:
        return std::nullopt;
    }
  }
  return filters;
}

/// Whether filter `index` of `rows` was applied to the chunk at `place`.
bool applied(const ChunkPlace& place, std::size_t index) {
  return (place.skipped >> index & 1U) == 0;
}

/// Number of checksums that filters before filter `index` have added.
std::size_t sums_before(const RowChunks& rows, std::size_t index, const ChunkPlace& place) {
  std::size_t sums = 0;
  for (std::size_t i = 0; i < index; ++i) {
    if (rows.filters[i] == Filter::fletcher32 && applied(place, i)) ++sums;
  }
  return sums;
}

/// Most bytes that a chunk of `row_bytes` is stored in: HDF5 gives deflate a thousandth and 12 more
/// than it had, and leaves the filter out where that is too little.
std::int64_t most_stored(std::int64_t row_bytes) {
  return row_bytes + row_bytes / 1000 + 1 + 12 + static_cast<std::int64_t>(fletcher32_bytes);
}

}  // namespace

RowFile::RowFile(std::filesystem::path path, std::string remedy)
    : path_(std::move(path)), remedy_(std::move(remedy)), file_(path_) {}

void RowFile::fail(const std::string& dataset, const std::string& problem) const {
  throw UserError(concat(path_.string(), ": ", dataset, ": ", problem, ". ", remedy_));
}

RowChunks RowFile::locate(const std::string& dataset, Type type,
                          const std::vector<std::int64_t>& shape) {
  LocatedFile located{.file = &file_};
  const Opened opened = open_located(path_, dataset, located);
  if (!opened.valid()) fail(dataset, with_cause("cannot be opened"));
  if (shape_of(opened.dataset) != shape) fail(dataset, "has changed while it was opened");
  RowChunks rows{dataset, static_cast<std::int64_t>(H5Tget_size(native_type(type))), 1, {}, {}};
  rows.element_bytes = rows.row_bytes;
  if (shape.front() == 0) return rows;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) rows.row_bytes *= shape[axis];

  const Handle stored(H5Dget_type(opened.dataset), H5Tclose);
  if (H5Tequal(stored, native_type(type)) <= 0) {
    fail(dataset, concat("its numbers are stored in another byte order", not_streamed));
  }
  const Handle properties(H5Dget_create_plist(opened.dataset), H5Pclose);
  if (!has_rows_as_chunks(properties, shape)) {
    fail(dataset, concat("is not stored as one chunk a sample", not_streamed));
  }
  const auto filters = filters_of(properties);
  if (!filters) {
    fail(dataset, concat("has a filter other than shuffle, deflate and Fletcher-32", not_streamed));
  }
  rows.filters = *filters;
  std::vector<hsize_t> start(shape.size(), 0);
  located.noting = true;
  for (std::int64_t row = 0; row < shape.front(); ++row) {
    start[0] = static_cast<hsize_t>(row);
    std::uint32_t skipped = 0;
    std::byte nothing{};  // is read into it
    located.offset = -1;
    const bool found =
        H5Dread_chunk(opened.dataset, H5P_DEFAULT, start.data(), &skipped, &nothing) >= 0;
    const ChunkPlace place{located.offset, located.bytes, skipped};
    if (!found || place.offset < 0 || place.bytes > most_stored(rows.row_bytes) ||
        place.bytes > file_.size() - place.offset) {
      fail(dataset, concat("the chunk of sample ", row, " is not there"));
    }
    rows.places.push_back(place);
  }
  return rows;
}

void RowFile::read(const RowChunks& rows, std::int64_t row, std::span<std::byte> out,
                   const std::string& sample) const {
  HARMOFL_EXPECT(std::ssize(out) == rows.row_bytes);
  const ChunkPlace& place = rows.places[static_cast<std::size_t>(row)];
  thread_local std::vector<std::byte> chunk, undone;
  const auto check = [&](bool holds, const char* problem) {
    if (!holds) fail(rows.dataset, concat("sample '", sample, "' ", problem));
  };
  chunk.resize(static_cast<std::size_t>(place.bytes));
  try {
    file_.read(place.offset, chunk);
  } catch (const UnreadableFile&) {
    check(false, "cannot be read: the file was cut off, or the disk fails");
  }
  std::span<const std::byte> content = chunk;
  for (std::size_t i = rows.filters.size(); i-- > 0;) {
    if (!applied(place, i)) continue;
    if (rows.filters[i] == Filter::fletcher32) {
      check(fletcher32_holds(content), "fails its Fletcher-32 checksum: the file is damaged");
      content = content.first(content.size() - fletcher32_bytes);
      continue;
    }
    undone.resize(out.size() + sums_before(rows, i, place) * fletcher32_bytes);
    if (rows.filters[i] == Filter::deflate) {
      check(inflate_chunk(content, undone), "cannot be decompressed: the file is damaged");
    } else if (rows.element_bytes > 1) {
      check(content.size() == undone.size(), "is stored in another size than it has");
      unshuffle(content, static_cast<std::size_t>(rows.element_bytes), undone);
    } else {
      continue;  // bytes are not moved by it
    }
    chunk.swap(undone);
    content = chunk;
  }
  check(content.size() == out.size(), "is stored in another size than it has");
  std::ranges::copy(content, out.begin());
}

void RowFile::check_unchanged() const {
  HARMOFL_VALIDATE(!file_.changed(), path_.string(),
                   ": was written to while the run reads it. Put it back, and go on from the last ",
                   "checkpoint with --resume; give a new version another name.");
}

}  // namespace harmofl::hdf5
