// SPDX-License-Identifier: Apache-2.0
/// Zip archives of stored (not compressed) entries, zip64 included: the container of torch.save.
///
/// Format: PKWARE's APPNOTE.TXT, 4.3. Nothing that the archive claims is believed: every entry must
/// lie within the file, and all entries together must not be larger than the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace harmofl {

/// What is wrong with an archive, without the file's name: "its entry 'x' is compressed".
class ZipError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// An open archive. Entries are read when they are asked for.
class ZipArchive {
 public:
  /// Reads the directory of entries. Throws ZipError for what is not such an archive.
  explicit ZipArchive(const std::filesystem::path& path);

  /// Name of the entry that stands first, "" when there are none.
  const std::string& first() const { return first_; }

  bool has(const std::string& name) const { return entries_.contains(name); }

  /// Size of an entry that is there, in bytes; at most that of the file.
  std::uint64_t size(const std::string& name) const { return entries_.at(name).size; }

  /// Content of an entry that is there. Throws ZipError when it cannot be read.
  std::vector<std::byte> read(const std::string& name);

 private:
  struct Entry {
    std::uint64_t header;  ///< Where its local header begins, in bytes from the file's start.
    std::uint64_t size;    ///< In bytes.
  };
  /// Where the directory lies.
  struct Directory {
    std::uint64_t begin, size, entries;
  };

  std::string bytes_at(std::uint64_t begin, std::uint64_t size);
  Directory find_directory();
  void read_directory(const Directory& directory);
  void add_entry(class ZipFields& fields);

  std::ifstream file_;
  std::uint64_t file_size_ = 0;
  std::uint64_t entries_size_ = 0;
  std::string first_;
  std::map<std::string, Entry> entries_;
};

}  // namespace harmofl
