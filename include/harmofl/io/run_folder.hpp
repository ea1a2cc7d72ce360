/// The folder of one run: its files have fixed names, and each is whole at any moment.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace harmofl {

/// Writes the files of a run; made on the root rank only.
class RunFolder {
 public:
  /// Makes the folder when missing. Throws UserError when it cannot be written, or when it holds
  /// a run already and `resume` is false.
  RunFolder(std::filesystem::path folder, bool resume);

  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path checkpoint() const { return folder_ / "checkpoint.h5"; }
  std::filesystem::path best() const { return folder_ / "best.h5"; }
  std::filesystem::path initial() const { return folder_ / "initial.h5"; }

  /// True when there is a checkpoint to resume from.
  bool has_checkpoint() const;

  /// Replaces `config.ini`, `run.json` or another small file.
  void write(const std::string& name, const std::string& text) const;

  /// Appends lines (each ending in a newline) to `metrics.jsonl`, or to `rounds.jsonl`, in one
  /// write.
  void append_metrics(const std::string& lines) const;
  void append_rounds(const std::string& lines) const;

  /// Drops lines of both whose round is `first_round` or later, and a last line that was cut off:
  /// what a resumed run will write again.
  void drop_lines_from(std::int64_t first_round) const;

 private:
  void append(const char* name, const std::string& lines) const;

  std::filesystem::path folder_;
};

}  // namespace harmofl
