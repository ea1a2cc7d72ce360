// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: the heaps in which HDF5 files hold texts of variable length, of which nothing
/// is believed (HDF5 File Format Specification, version 3: III.E, "Global Heap").
#pragma once

#include "io/input_file.hpp"

#include <cstdint>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

namespace harmofl::hdf5 {

/// What is wrong with texts, without the file's name: "claim more bytes than the file has".
class TextError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Where a text lies.
struct TextReference {
  std::uint32_t length;  ///< Length in bytes.
  std::uint64_t heap;    ///< Address of a collection of objects; 0 for no text.
  std::uint32_t object;  ///< Number of the object in it.
};

/// The heaps of one file.
class TextHeaps {
 public:
  /// `first_address`: where in the file addresses count from. Throws UnreadableFile.
  TextHeaps(const std::filesystem::path& path, std::int64_t first_address);

  std::int64_t file_bytes() const { return file_.size(); }

  /// Reads a text, which ends before its first zero byte. Throws TextError where the file has none
  /// of that length.
  std::string text(const TextReference& reference);

 private:
  struct Object {
    std::int64_t place;
    std::uint64_t bytes;
  };
  using Objects = std::map<std::uint32_t, Object>;

  const Objects& collection_at(std::uint64_t heap);
  Objects objects_between(std::int64_t place, std::int64_t end) const;

  InputFile file_;
  std::int64_t first_address_;
  std::int64_t left_;  ///< Bytes that collections may still have: they do not overlap.
  std::map<std::uint64_t, Objects> collections_;  ///< Those read so far, by address.
};

}  // namespace harmofl::hdf5
