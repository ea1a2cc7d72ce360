// SPDX-License-Identifier: Apache-2.0
/// A configuration key: all that is known of it, and the option that its text sets.
#pragma once

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace harmofl {

/// How a key is used; added up.
enum KeyUse : unsigned {
  ordinary = 0,
  may_change = 1,    ///< May differ when a run is resumed.
  needed_first = 2,  ///< Among what a first run needs.
};

/// The texts that a key takes, and what they do.
struct KeyValue {
  /// Sets the option to what a text says; false where it is none of the key's. May throw UsageError
  /// itself.
  std::function<bool(const std::string& text)> set;
  std::string form;                       ///< "a number above 0"; "" where there are choices.
  std::vector<std::string> choices = {};  ///< All texts that it takes, where they are few.
  std::vector<std::string> shown = {};    ///< The choices with remarks, for the help.
};

/// One row of the table of keys.
struct Key {
  std::string name;  ///< "section.key".
  std::string default_text;
  std::string unit;  ///< "" where there is none.
  std::string meaning;
  KeyValue value;
  unsigned use = ordinary;         ///< KeyUse, added up.
  std::string usual_of_auto = {};  ///< What `auto` stands for unless the method says otherwise.

  std::string section() const { return name.substr(0, name.find('.')); }
  std::string last_part() const { return name.substr(name.find('.') + 1); }
  bool is(KeyUse wanted) const { return (use & wanted) != 0; }
  /// Whether `text` leaves the value to the method, the network or the task: it is the default
  /// `auto`, and not a choice of its own.
  bool is_open(const std::string& text) const;
  /// Sets the option. Throws UsageError with key, value and remedy when `text` will not do.
  void read(const std::string& text) const;
};

/// Any text.
KeyValue any_text(std::string& option);
KeyValue any_path(std::filesystem::path& option);
/// A text that `accept` takes.
KeyValue text_of(std::string form, std::function<bool(const std::string& text)> accept);
/// A number in the range.
KeyValue number(double& option, const NumberRange& range);

/// A whole number from `least` to `most`; the option is `factor` times as much.
template <class Integer>
KeyValue whole(Integer& option, WholeRange range, std::int64_t factor = 1) {
  return {[&option, range, factor](const std::string& text) {
            const std::optional<std::int64_t> value = parse_whole(text);
            if (!value || !range.holds(*value)) return false;
            option = static_cast<Integer>(*value * factor);
            return true;
          },
          range.text()};
}

/// A choice by name, with a remark for the help or none.
template <class Value>
struct Choice {
  std::string name;
  Value value;
  std::string remark = {};
};

/// One of some named values.
template <class Value>
KeyValue one_of(Value& option, std::vector<Choice<Value>> choices) {
  KeyValue value;
  for (const Choice<Value>& choice : choices) {
    value.choices.push_back(choice.name);
    value.shown.push_back(choice.remark.empty() ? choice.name
                                                : concat(choice.name, " (", choice.remark, ")"));
  }
  value.set = [&option, choices = std::move(choices)](const std::string& text) {
    for (const Choice<Value>& choice : choices) {
      if (choice.name != text) continue;
      option = choice.value;
      return true;
    }
    return false;
  };
  return value;
}

/// One of some names.
KeyValue one_of_names(std::string& option, const std::vector<std::string>& names);
/// true | false.
KeyValue flag(bool& option);

}  // namespace harmofl
