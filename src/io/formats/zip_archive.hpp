// SPDX-License-Identifier: Apache-2.0
/// Zip archives, zip64 included: the container of torch.save, which stores its entries, and of
/// NumPy's .npz, which may deflate them.
///
/// Format: PKWARE's APPNOTE.TXT, 4.3. Nothing that the archive claims is believed: every entry must
/// lie within the file, all entries together must not be larger than the file, and a deflated one
/// must not claim more than deflate can make of its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace harmofl {

/// What is wrong with an archive, without the file's name: "its entry 'x' is compressed".
class ZipError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Which entries an archive may have.
enum class ZipEntries { stored, stored_or_deflated };

/// An open archive. Entries are read when they are asked for.
class ZipArchive {
 public:
  /// Reads the directory of entries. Throws ZipError for what is not such an archive.
  explicit ZipArchive(const std::filesystem::path& path, ZipEntries allowed = ZipEntries::stored);

  /// Name of the entry that stands first, "" when there are none.
  const std::string& first() const { return first_; }

  bool has(const std::string& name) const { return entries_.contains(name); }

  /// Size of the content of an entry that is there, in bytes; of a stored one at most that of the
  /// file.
  std::uint64_t size(const std::string& name) const { return entries_.at(name).size; }

  /// Content of an entry that is there. Throws ZipError when it cannot be read or does not match
  /// its checksum.
  std::vector<std::byte> read(const std::string& name);

  /// The content of an entry, from its begin to its end.
  class Stream {
   public:
    Stream(Stream&& other) noexcept;
    ~Stream();

    /// Fills `bytes` with what follows. Throws ZipError when the entry has less, cannot be read or,
    /// at its end, does not match its checksum.
    void read(std::span<std::byte> bytes);

   private:
    friend class ZipArchive;
    struct Impl;
    explicit Stream(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
  };

  /// Opens an entry that is there. The archive must outlive the stream.
  Stream open(const std::string& name);

 private:
  struct Entry {
    std::uint64_t header;  ///< Where its local header begins, in bytes from the file's start.
    std::uint64_t stored;  ///< Bytes in the file.
    std::uint64_t size;    ///< Bytes of the content.
    std::uint32_t crc;     ///< CRC-32 of the content.
    bool deflated;
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
  ZipEntries allowed_;
  std::uint64_t file_size_ = 0;
  std::uint64_t entries_size_ = 0;
  std::string first_;
  std::map<std::string, Entry> entries_;
};

}  // namespace harmofl
