// SPDX-License-Identifier: Apache-2.0
/// The configuration of a run: a text for every key.
///
/// Values come from the command line (`--train.lr 0.1`), else from an INI file (`[train]` /
/// `lr = 0.1`), else from the defaults. Unknown keys are usage errors that name near ones.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Texts for all keys of the table (keys.hpp).
class Config {
 public:
  /// Parses arguments of `harmofl train`. Throws UsageError for unknown keys or a missing file.
  static Config from_arguments(const std::vector<std::string>& arguments);
  /// Parses INI text, for example that in a checkpoint; `origin` names it in errors.
  static Config from_ini(const std::string& text, const std::string& origin);

  const std::string& text(const std::string& key) const { return values_.at(key); }
  void set(const std::string& key, const std::string& value) { values_.at(key) = value; }

  bool dry_run() const { return dry_run_; }

  /// INI text that reproduces this configuration.
  std::string ini() const;

 private:
  Config();

  std::map<std::string, std::string> values_;
  bool dry_run_ = false;
};

}  // namespace harmofl
