// SPDX-License-Identifier: Apache-2.0
/// The checkpoints of one run: the newest one and the ones before it.
#pragma once

#include "io/checkpoint/checkpoint.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace harmofl {

/// `checkpoint.h5` is the newest, `checkpoint-000040.h5` the one after 40 rounds. A process that is
/// killed between any two steps of `put` leaves a whole checkpoint, and nothing that a later run
/// stumbles over.
class CheckpointFiles {
 public:
  /// `link(2)`, or what a test puts in its place.
  using LinkFunction = int (*)(const char* from, const char* to);

  explicit CheckpointFiles(std::filesystem::path folder, LinkFunction link = nullptr);

  std::filesystem::path newest() const { return folder_ / "checkpoint.h5"; }

  /// The checkpoints that are there, the newest first, whole or not: whatever has their names.
  std::vector<std::filesystem::path> all() const;

  /// Opens the newest that is intact; nothing when there are none at all. Warns when it is not the
  /// newest. Throws UserError, listing what was tried, when none of them is intact, and
  /// UnreadableFile (io/input_file.hpp) for one that cannot be read and may be.
  std::optional<CheckpointReader> newest_intact() const;

  /// Makes what `writer` holds the newest and keeps `keep` - 1 of those before it. Throws
  /// UserError, with what was there before still there, when the disk is full.
  void put(CheckpointWriter& writer, std::int64_t keep) const;

  /// Renames those that are newer than `intact`, which are damaged, to `<name>.damaged`, so that
  /// they are neither kept in place of good ones nor lost.
  void set_aside_newer_than(const std::filesystem::path& intact) const;

 private:
  void keep_newest_as_older() const;
  void remove_all_but(std::int64_t kept, std::int64_t before_round) const;

  std::filesystem::path folder_;
  LinkFunction link_;
};

}  // namespace harmofl
