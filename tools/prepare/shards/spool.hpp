// SPDX-License-Identifier: Apache-2.0
/// Where images wait, once decoded, until all of a site are: a file beside the shard, which a later
/// call goes on from when this one is killed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

namespace harmofl::prepare {

/// A file of records, each with a number and a tag; the last one of a number counts. `put` and
/// `get` may be called by several threads at once.
class Spool {
 public:
  /// Opens `path`, or makes it. Keeps the records that an earlier call put there under the same
  /// `purpose`, up to the first that is damaged or cut off, and forgets all others. Throws
  /// UserError when the file cannot be written, or another process has it open.
  Spool(std::filesystem::path path, const std::string& purpose);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  /// Tag of the record `number`; nothing has the tag "".
  std::string tag(std::int64_t number) const;

  /// Adds a record. Throws UserError when the disk is full.
  void put(std::int64_t number, const std::string& tag, const std::string& bytes);

  /// Gives back the bytes of a record that is there. Throws UserError when they are damaged.
  std::string get(std::int64_t number) const;

  /// Removes the file: what it held is in the shard.
  void remove();

 private:
  struct Place {
    std::int64_t offset = 0;  ///< Of the bytes.
    std::int64_t size = 0;
    std::string checksum;
    std::string tag;
  };

  void lock() const;
  /// Reads records from `offset` on; returns where the first one that is no good begins.
  std::int64_t read_records(std::int64_t offset);
  std::string read(std::int64_t offset, std::int64_t size) const;
  void write(std::int64_t offset, const std::string& bytes) const;
  [[noreturn]] void fail(const char* doing, int error) const;

  std::filesystem::path path_;
  int descriptor_ = -1;
  std::int64_t end_ = 0;
  std::map<std::int64_t, Place> places_;
  mutable std::mutex mutex_;
};

}  // namespace harmofl::prepare
