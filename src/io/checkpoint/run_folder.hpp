// SPDX-License-Identifier: Apache-2.0
/// The folder of one run: its files have fixed names, and each is whole at any moment.
#pragma once

#include "io/checkpoint/checkpoint_files.hpp"
#include "io/checkpoint/folder_lock.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace harmofl {

/// Writes the files of a run; made on the root rank only. While it lives no other process writes to
/// the folder.
class RunFolder {
 public:
  /// Makes the folder when missing, locks it, and removes what killed processes left half written.
  /// Throws UserError when it cannot be written, when another process has locked it, or when it
  /// holds a run already and `resume` is false.
  RunFolder(std::filesystem::path folder, bool resume);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path checkpoint() const { return checkpoints_.newest(); }
  std::filesystem::path best() const { return folder_ / "best.h5"; }
  std::filesystem::path initial() const { return folder_ / "initial.h5"; }

  /// True when there is a checkpoint to resume from, be it an older one.
  bool has_checkpoint() const { return !checkpoints_.all().empty(); }

  /// Opens the checkpoint to resume from; see CheckpointFiles.
  std::optional<CheckpointReader> newest_intact_checkpoint() const {
    return checkpoints_.newest_intact();
  }

  /// Makes what `writer` holds `checkpoint.h5` and keeps `keep` - 1 of those before it. Lines
  /// appended so far are on the disk first: a checkpoint never knows rounds that they do not.
  void put_checkpoint(CheckpointWriter& writer, std::int64_t keep) const;

  /// Makes the folder that of a run which goes on from `checkpoint` after `rounds_done` rounds:
  /// damaged newer checkpoints are set aside, lines of later rounds dropped. Throws as
  /// `drop_lines_from`, with all as it was.
  void go_on_from(const std::filesystem::path& checkpoint, std::int64_t rounds_done) const;

  /// Replaces `config.ini`, `run.json` or another small file.
  void write(const std::string& name, const std::string& text) const;

  /// Appends lines (each ending in a newline) to `metrics.jsonl`, `rounds.jsonl` or
  /// `fingerprints.jsonl`, in one write.
  void append_metrics(const std::string& lines) const;
  void append_rounds(const std::string& lines) const;
  void append_fingerprints(const std::string& lines) const;

  /// Where event files for TensorBoard lie, and appends records to one of them, in one write.
  std::filesystem::path events() const { return folder_ / "tensorboard"; }
  void append_events(const std::string& name, const std::string& records) const;

  /// The file of `run.trace`: appends whole lines to it in one write, or cuts it to so many bytes.
  std::filesystem::path trace() const;
  void append_trace(const std::string& lines) const;
  void cut_trace(std::int64_t bytes) const;

  /// Drops lines of the three above whose round is `first_round` or later, and what a process that
  /// was killed left after them: what a resumed run will write again. Throws UserError, naming file
  /// and line, for a line that no run wrote, and leaves the files as they are.
  void drop_lines_from(std::int64_t first_round) const;

 private:
  void append(const std::filesystem::path& name, const std::string& lines) const;
  void remove_leftovers() const;

  std::filesystem::path folder_;
  FolderLock lock_;
  CheckpointFiles checkpoints_;
};

}  // namespace harmofl
