// SPDX-License-Identifier: Apache-2.0
/// Arrays of NumPy's .npz files, as MedMNIST ships its images. Headers are parsed as a fixed form
/// of text and never as Python.
#pragma once

#include "io/formats/zip_archive.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::prepare {

/// What the header of a .npy says.
struct NpyHeader {
  char kind = 'u';             ///< 'u' unsigned or 'i' signed whole numbers.
  std::size_t item_bytes = 1;  ///< 1, 2, 4 or 8, little-endian.
  std::vector<std::int64_t> shape{};

  /// Number of elements; nothing when int64 does not hold it.
  std::optional<std::int64_t> count() const;
};

/// Parses the dictionary of a header, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 28,
/// 28), }". Throws std::invalid_argument, with the reason, for another form, other types and
/// another order.
NpyHeader parse_npy_header(std::string_view text);

/// An open .npz file, stored or compressed. Every error is a UserError that names the file.
class NpzFile {
 public:
  explicit NpzFile(std::filesystem::path path);

  bool has(const std::string& array) const;

  /// One array, read from its begin to its end. The file must outlive it.
  class Array {
   public:
    const NpyHeader& header() const { return header_; }
    /// Fills `bytes` with the elements that follow.
    void read(std::span<std::byte> bytes);

   private:
    friend class NpzFile;
    Array(const NpzFile& file, std::string name, ZipArchive::Stream stream);
    void read_header(std::uint64_t size);

    const NpzFile* file_;
    std::string name_;
    ZipArchive::Stream stream_;
    NpyHeader header_{};
  };

  /// Opens an array that is there, and checks that it has as many elements as its shape says.
  Array open(const std::string& array);

  /// Throws UserError: the file, the array, the problem, a remedy.
  [[noreturn]] void fail(const std::string& array, const std::string& problem) const;

 private:
  ZipArchive open_archive() const;

  std::filesystem::path path_;
  ZipArchive archive_;
};

}  // namespace harmofl::prepare
