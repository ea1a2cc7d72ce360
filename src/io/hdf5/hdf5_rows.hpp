// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: rows of datasets, read without HDF5.
///
/// HDF5 is not made for several threads. What it is needed for is to find where the chunks of a
/// dataset lie, once; from then on their bytes are read from the file and undone by filters of our
/// own, by any number of threads.
#pragma once

#include "io/hdf5/hdf5.hpp"
#include "io/input_file.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace harmofl::hdf5 {

/// What a chunk passes through on its way to the disk; the only filters that shards have.
enum class Filter { shuffle, deflate, fletcher32 };

/// Where a chunk lies.
struct ChunkPlace {
  std::int64_t offset = 0;  ///< From the start of the file, in bytes.
  std::int64_t bytes = 0;   ///< As stored, filtered.
  unsigned skipped = 0;     ///< Bit i: filter i was not applied.
};

/// The chunks of a dataset that has one for each index of its first axis: a row.
struct RowChunks {
  std::string dataset;
  std::int64_t row_bytes = 0;      ///< Of a row in memory.
  std::int64_t element_bytes = 1;  ///< Of an element.
  std::vector<Filter> filters;     ///< In the order of writing.
  std::vector<ChunkPlace> places;  ///< By row.
};

/// A file whose rows are read. Only `locate` calls HDF5.
class RowFile {
 public:
  /// `remedy` ends errors of damage. Throws UserError.
  RowFile(std::filesystem::path path, std::string remedy);

  /// Finds the rows of `dataset`, of elements `type` and `shape`. Throws UserError where the
  /// dataset is not that, or is stored so that only HDF5 can read it: another layout, byte order or
  /// filter.
  RowChunks locate(const std::string& dataset, Type type, const std::vector<std::int64_t>& shape);

  /// Reads and verifies (Fletcher-32) a row into `out`, of as many bytes as it has; for any number
  /// of threads at once. Throws UserError naming `sample`, whose row it is, when it is damaged.
  void read(const RowChunks& rows, std::int64_t row, std::span<std::byte> out,
            const std::string& sample) const;

  /// Throws UserError when the file was written to since it was opened.
  void check_unchanged() const;

 private:
  [[noreturn]] void fail(const std::string& dataset, const std::string& problem) const;

  std::filesystem::path path_;
  std::string remedy_;
  InputFile file_;
};

}  // namespace harmofl::hdf5
