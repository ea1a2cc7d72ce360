// SPDX-License-Identifier: Apache-2.0
/// Private to src/io: a file that is made by writes anywhere in it, in bounded memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace harmofl {

/// How much of a file is in memory; other numbers are for tests.
struct BlockMemory {
  std::int64_t block_bytes = std::int64_t{4} << 20;  ///< A multiple of 4096.
  std::int64_t blocks = 16;                          ///< At least 1.
};

/// A file being made. What was written last is in memory, as blocks of the file; when there are too
/// many of them, the block that was used longest ago goes to the disk, and is read back if it is
/// wanted again. Large files are written past the page cache, where the file system does that: the
/// run does not read them.
///
/// The first error is kept, and from then on nothing goes to the disk; reads and writes go on, in
/// memory, so that a library in between can end in good order.
class BlockFile {
 public:
  /// Makes `path`, or empties it.
  explicit BlockFile(const std::filesystem::path& path, BlockMemory memory = {});
  ~BlockFile();
  BlockFile(const BlockFile&) = delete;
  BlockFile& operator=(const BlockFile&) = delete;

  void write(std::int64_t offset, std::span<const std::byte> bytes);
  /// Bytes that were never written are 0.
  void read(std::int64_t offset, std::span<std::byte> bytes);

  /// Gives the bytes that a file ends with, after its content, whose checksum it gets.
  using Trailer = std::function<std::string(const std::string& checksum)>;

  /// Writes out the first `size` bytes and the trailer, and closes. Returns `error()`.
  int finish(std::int64_t size, const Trailer& trailer);

  /// The number of the first error, 0 when there was none.
  int error() const { return error_; }

 private:
  struct Block {
    std::shared_ptr<std::byte> memory;  ///< Of `block_bytes`; goes back to the system at once.
    bool changed = false;               ///< Since it was written to the disk or read from it.
    std::int64_t last_used = 0;
  };

  template <class Use>
  void visit(std::int64_t offset, std::int64_t count, const Use& use);
  Block& block(std::int64_t index);
  Block make_block() const;
  void evict_oldest();
  /// The first `size` bytes of a block.
  std::span<std::byte> bytes(const Block& block, std::int64_t size) const;
  void store(std::int64_t index, std::span<const std::byte> bytes);
  void load(std::int64_t index, std::span<std::byte> bytes);
  void fail(int error);

  BlockMemory memory_;
  int descriptor_ = -1;
  int direct_ = -1;  ///< Of the same file, past the page cache; -1 where that cannot be had.
  int error_ = 0;
  std::int64_t uses_ = 0;
  std::map<std::int64_t, Block> blocks_;        ///< Those in memory, by their place in the file.
  std::map<std::int64_t, std::string> stored_;  ///< Checksums of those on the disk.
};

}  // namespace harmofl
