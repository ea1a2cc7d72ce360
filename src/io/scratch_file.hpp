// SPDX-License-Identifier: Apache-2.0
/// Bytes put aside in a file that nobody else sees and that is gone with the process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

namespace harmofl {

/// What errors of a scratch file speak of.
struct ScratchWords {
  std::string what = "the scratch file for clients' state";
  std::string remedy = "Set run.scratch to a folder with space, or raise run.state_memory.";
};

/// A temporary file with one record a key. It has no name from the moment it is open, so that
/// nothing is left behind however the process ends.
class ScratchFile {
 public:
  /// Throws UserError when `folder` cannot be written.
  explicit ScratchFile(std::filesystem::path folder, ScratchWords words = {});
  ~ScratchFile();
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;

  /// Puts `bytes` aside under `key`, in place of what was there. Throws UserError naming the folder
  /// when the disk is full.
  void put(std::int64_t key, const std::string& bytes);

  /// Gives back what lies under `key`, which is there. Throws UserError when it cannot be read.
  std::string get(std::int64_t key) const;

  bool has(std::int64_t key) const { return records_.contains(key); }
  /// Forgets `key`; its place is used again by a later record that fits.
  void drop(std::int64_t key);

  /// Size of the file in bytes, unused places included.
  std::int64_t size_bytes() const { return end_; }

 private:
  struct Record {
    std::int64_t offset = 0, size = 0, capacity = 0;
  };

  Record place_for(std::int64_t size);
  [[noreturn]] void fail(const char* doing, int error) const;

  std::filesystem::path folder_;
  ScratchWords words_;
  int descriptor_ = -1;
  std::map<std::int64_t, Record> records_;
  std::multimap<std::int64_t, std::int64_t> free_;  ///< Capacity -> offset.
  std::int64_t end_ = 0;
};

}  // namespace harmofl
