// SPDX-License-Identifier: Apache-2.0
/// The configuration of a run: a text for every key.
///
/// Values come from the command line (`--train.lr 0.1`), else from an INI file (`[train]` /
/// `lr = 0.1`), else from the defaults. Unknown keys are usage errors that name near ones. A value
/// that an INI file would not give back is refused: one with '#', a control character or a blank at
/// either end, or not in UTF-8.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// What `--dry-run` asks for in the place of a run.
enum class DryRun {
  none,   ///< Nothing: the run is to be done.
  plan,   ///< The plan.
  timed,  ///< The plan after some steps, `--dry-run=time`.
  json,   ///< The plan for programs, `--dry-run=json`.
};

/// Texts for all keys of the table (keys.hpp).
class Config {
 public:
  /// Parses arguments of `harmofl train`. Throws UsageError for unknown keys or
  /// a file that cannot be read, UserError for a value that would not come back.
  static Config from_arguments(const std::vector<std::string>& arguments);
  /// Parses INI text, for example that in a checkpoint; `origin` names it in errors. Throws alike.
  static Config from_ini(const std::string& text, const std::string& origin);

  const std::string& text(const std::string& key) const { return values_.at(key); }
  void set(const std::string& key, const std::string& value) { values_.at(key) = value; }

  DryRun dry_run() const { return dry_run_; }
  bool accepts_changed_data() const { return accepts_changed_data_; }

  /// Throws UserError, naming the key, unless `from_ini` makes this configuration of `ini()` again.
  void check_comes_back() const;

  /// INI text that reproduces this configuration.
  std::string ini() const;

 private:
  Config();

  std::map<std::string, std::string> values_;
  DryRun dry_run_ = DryRun::none;
  bool accepts_changed_data_ = false;
};

}  // namespace harmofl
