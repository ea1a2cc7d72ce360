// SPDX-License-Identifier: Apache-2.0
/// JSON from files: parsed within bounds, and each value taken with its type and range checked.
#pragma once

#include "harmofl/base/number_text.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace harmofl {

/// What is wrong with a JSON text, without the file's name: "has the key 'a' twice".
class JsonError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Most arrays and objects around a value of the files that a run writes for itself, of which the
/// deepest have 5: later versions have room, and no text can use up the stack of what walks over
/// its values.
inline constexpr int max_json_depth = 16;

/// Parses `text`, all of which is one value with at most `max_depth` arrays and objects around each
/// value in it. Throws JsonError for what is not JSON, is deeper, or has a key twice in an object,
/// which JSON itself allows: one of the two values would go unread.
nlohmann::json parse_json(std::string_view text, int max_depth);

/// The beginning of a value as JSON, in ASCII and one line, for messages.
std::string shown(const nlohmann::json& value);

/// A value of a JSON text from a file, whose name and place errors say: "run/checkpoint.h5:
/// attribute 'state': log.best_round: expected a whole number of at least -1, found "x". Remedy."
/// Points into what it was made of.
class JsonValue {
 public:
  /// `place` is what errors begin with, `remedy` the sentence that they end with.
  JsonValue(const nlohmann::json& value, std::string place, std::string remedy)
      : value_(&value), place_(std::move(place)), remedy_(std::move(remedy)) {}

  // All of these throw UserError for a value of another kind.
  bool boolean() const;
  std::int64_t whole(WholeRange range) const;
  double finite() const;
  /// A finite number, or NaN where the value is null, as which JSON files hold what is not finite.
  double number() const;
  std::string text() const;
  std::vector<JsonValue> items() const;                            ///< Of an array.
  std::vector<std::pair<std::string, JsonValue>> members() const;  ///< Of an object.

  /// The member `key` of an object, which must be there; nothing where it may be missing and is.
  JsonValue at(const std::string& key) const;
  std::optional<JsonValue> find(const std::string& key) const;

  /// Throws the UserError "place: problem. Remedy."
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  void expect(bool good, const std::string& kind) const;
  JsonValue below(const nlohmann::json& value, const std::string& step) const;

  const nlohmann::json* value_;
  std::string place_, remedy_;
  std::string path_ = {};  ///< From the whole text's value to this one, "log.best_round".
};

}  // namespace harmofl
