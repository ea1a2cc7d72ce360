// SPDX-License-Identifier: Apache-2.0
/// The configuration of a run: one table of keys, their units, defaults and meaning.
///
/// Values come from the command line (`--train.lr 0.1`), else from an INI file (`[train]` /
/// `lr = 0.1`), else from the defaults. Unknown keys are usage errors that name the nearest key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// One configuration key.
struct Key {
  std::string name;  ///< "section.key".
  std::string default_text;
  std::string unit;  ///< "" where there is none.
  std::string meaning;
};

/// Every key, in the order of the documentation.
const std::vector<Key>& config_keys();

/// Values for all keys.
class Config {
 public:
  /// Parses arguments of `harmofl train`. Throws UsageError for unknown keys or a missing file.
  static Config from_arguments(const std::vector<std::string>& arguments);
  /// Parses INI text, for example that in a checkpoint; `origin` names it in errors.
  static Config from_ini(const std::string& text, const std::string& origin);

  const std::string& text(const std::string& key) const { return values_.at(key); }
  /// Typed values; UsageError naming key and value when the text does not parse or is below
  /// `least`.
  std::int64_t integer(const std::string& key, std::int64_t least) const;
  double number(const std::string& key) const;
  bool flag(const std::string& key) const;

  void set(const std::string& key, const std::string& value) { values_.at(key) = value; }

  /// The value of `key` in a list of (name, meaning) pairs; UsageError listing the names.
  template <class Value>
  Value choice(const std::string& key,
               const std::vector<std::pair<std::string, Value>>& choices) const {
    std::vector<std::string> names;
    for (const auto& [name, value] : choices) {
      if (name == text(key)) return value;
      names.push_back(name);
    }
    refuse_choice(key, names);
  }

  bool dry_run() const { return dry_run_; }

  /// INI text that reproduces this configuration.
  std::string ini() const;

  /// Keys whose values differ from those of `other`.
  std::vector<std::string> differing(const Config& other) const;

 private:
  Config();
  [[noreturn]] void refuse_choice(const std::string& key,
                                  const std::vector<std::string>& names) const;

  std::map<std::string, std::string> values_;
  bool dry_run_ = false;
};

/// The text of `harmofl train --help`.
std::string config_help();

}  // namespace harmofl
