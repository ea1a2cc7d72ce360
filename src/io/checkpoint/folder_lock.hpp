// SPDX-License-Identifier: Apache-2.0
/// One writer at a time in a folder.
#pragma once

#include <filesystem>

namespace harmofl {

/// Holds `<folder>/.lock` for its life. The system lets go of it when the process ends, however it
/// ends: what kill -9 leaves of it stops nobody. The file says who holds it, for people.
class FolderLock {
 public:
  /// `flock(2)`, or what a test puts in its place.
  using LockFunction = int (*)(int descriptor, int operation);

  /// Throws UserError that names the holder when another process, or this one, has locked the
  /// folder, or when the file cannot be made. Only warns where the file system has no locks.
  explicit FolderLock(const std::filesystem::path& folder, LockFunction lock = nullptr);
  /// Removes the file.
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// False where the file system has no locks: others may be writing.
  bool held() const { return held_; }

  /// Throws UserError when the lock is no longer in its place: the folder was moved away, or
  /// somebody removed the file, and another job may be writing here.
  void check() const;

 private:
  bool try_to_hold(LockFunction lock);
  void sign() const;

  std::filesystem::path file_;
  int descriptor_ = -1;
  bool held_ = false;
};

}  // namespace harmofl
