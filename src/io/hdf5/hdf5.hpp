// SPDX-License-Identifier: Apache-2.0
/// The thin layer over the HDF5 C library: owned handles, checked calls, typed reads and writes.
///
/// HDF5's own error stack is silenced; every failure becomes a UserError "file: object: problem.
/// Remedy." Files are opened without file locks, which cluster file systems refuse.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::hdf5 {

/// Element types that this project stores.
enum class Type { uint8, int64, float32, float64, string };

std::string_view to_string(Type type);

/// Writes a shape as "[2, 3, 128, 128]".
std::string to_string(const std::vector<std::int64_t>& shape);

/// Shape and type of a dataset.
struct DatasetInfo {
  Type type = Type::float32;
  std::vector<std::int64_t> shape;  ///< Empty for a scalar.
  bool fletcher32 = false;

  /// Number of elements.
  std::int64_t count() const;
};

/// How a dataset is laid out on disk.
struct Layout {
  bool chunk_first_axis = false;  ///< One chunk per index of the first axis, else one for all.
  bool fletcher32 = false;        ///< HDF5's own checksum on each chunk.
  int deflate = 0;                ///< Compression level, 0 (none) to 9.
};

struct DrivenFile;
class Handle;
class TextHeaps;

class File;

/// A dataset on its way to the disk, some entries of its first axis after the others. The file has
/// the same bytes as after one `File::write` of all of them. May not outlive its file.
class RowWriter {
 public:
  ~RowWriter();
  RowWriter(RowWriter&&) noexcept;
  RowWriter& operator=(RowWriter&&) noexcept;

  /// Writes the next `rows` entries, row-major, of which there must be as many left. Throws
  /// UserError when the disk is full.
  void append(std::int64_t rows, const void* data);

  /// Closes the dataset, of which all entries must have been written.
  void close();

 private:
  friend class File;
  RowWriter(const File& file, std::string dataset, Type type, std::vector<std::int64_t> shape,
            std::unique_ptr<Handle> opened);

  const File* file_;
  std::string dataset_;
  Type type_;
  std::vector<std::int64_t> shape_;
  std::int64_t next_ = 0;
  std::unique_ptr<Handle> opened_;  ///< The dataset.
};

/// An open HDF5 file; closes itself.
class File {
 public:
  /// Starts a file, of which some MiB are in memory until `close`. Errors call the file `shown`
  /// when that is given. Throws UserError when it cannot be made.
  static File create(const std::filesystem::path& path, std::filesystem::path shown = {});

  /// Opens `path` for reading. `remedy` ends every error, "Re-create it with ...".
  static File open(const std::filesystem::path& path, std::string remedy = {});

  ~File();
  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;

  const std::filesystem::path& path() const { return path_; }

  /// Throws the UserError "path: object: problem. Remedy."
  [[noreturn]] void fail(const std::string& object, const std::string& problem) const;

  /// Gives the bytes that a file ends with, after HDF5's own, whose checksum it gets.
  using Trailer = std::function<std::string(const std::string& checksum)>;

  /// Closes; a created file is whole on the disk then, with `trailer` after it, and not when it is
  /// destroyed without `close`. Throws UserError when the disk is full.
  void close(const Trailer& trailer = {});

  /// Lets HDF5 hold back nothing that it has to say of what was written so far, which keeps its
  /// part of the memory small.
  void flush();

  /// Whether the disk refused a part of a file that is made: `close` will throw.
  bool disk_failed() const;

  /// Whether there is an object of that name. Throws UserError when a link on the way leads
  /// elsewhere: to another name or another file.
  bool exists(const std::string& object) const;
  bool is_group(const std::string& object) const;
  void make_group(const std::string& group);                          ///< With missing parents.
  std::vector<std::string> children(const std::string& group) const;  ///< Sorted by name.

  /// Describes a dataset. Throws UserError when it is missing, not a dataset, of a type that is not
  /// stored here, or claims more elements than its bytes on disk can hold.
  DatasetInfo dataset_info(const std::string& dataset) const;

  /// `data` is row-major and holds `shape` elements of `type` (not for strings).
  void write(const std::string& dataset, Type type, const std::vector<std::int64_t>& shape,
             const void* data, const Layout& layout = {});
  void write_strings(const std::string& dataset, const std::vector<std::string>& values);
  /// Makes a dataset of at least one axis that is then filled from its first entry on.
  RowWriter start(const std::string& dataset, Type type, const std::vector<std::int64_t>& shape,
                  const Layout& layout);

  /// Reads a dataset, converted to `type`.
  void read(const std::string& dataset, Type type, void* data) const;
  /// Reads entries `rows` of the first axis, which must ascend and be there, converted to `type`.
  void read_rows(const std::string& dataset, Type type, void* data,
                 const std::vector<std::int64_t>& rows) const;
  std::vector<std::string> read_strings(const std::string& dataset) const;

  /// Attributes of a group or dataset ("/" is the root); reading checks the kind and names what
  /// is missing. Fixed-length and variable-length strings are both read.
  bool has_attribute(const std::string& object, const std::string& name) const;
  void write_attribute(const std::string& object, const std::string& name,
                       const std::string& value);
  void write_attribute(const std::string& object, const std::string& name, std::int64_t value);
  void write_attribute(const std::string& object, const std::string& name, double value);
  void write_attribute(const std::string& object, const std::string& name,
                       const std::vector<std::string>& values);
  void write_attribute(const std::string& object, const std::string& name,
                       const std::vector<double>& values);
  std::string string_attribute(const std::string& object, const std::string& name) const;
  std::int64_t int_attribute(const std::string& object, const std::string& name) const;
  double float_attribute(const std::string& object, const std::string& name) const;
  std::vector<std::string> strings_attribute(const std::string& object,
                                             const std::string& name) const;
  std::vector<std::int64_t> ints_attribute(const std::string& object,
                                           const std::string& name) const;
  std::vector<double> floats_attribute(const std::string& object, const std::string& name) const;
  std::vector<std::string> attribute_names(const std::string& object) const;

  /// Where the texts of variable length of a file that is read lie. Private to src/io/hdf5.
  TextHeaps& text_heaps() const;

 private:
  File(std::filesystem::path path, std::string remedy, std::unique_ptr<DrivenFile> made,
       std::int64_t id);

  friend class RowWriter;
  /// Throws UserError when a file that is made could not be written at some time.
  void check_disk() const;

  std::filesystem::path path_;        ///< The name in errors.
  std::string remedy_;                ///< The last sentence of errors.
  std::unique_ptr<DrivenFile> made_;  ///< What is written to; null for files that are read.
  std::int64_t id_ = -1;
  mutable std::shared_ptr<TextHeaps> heaps_ = {};  ///< Null until they are needed.
};

/// Version of the HDF5 library, "1.10.8".
std::string library_version();

}  // namespace harmofl::hdf5
