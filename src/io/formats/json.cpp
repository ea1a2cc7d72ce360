// SPDX-License-Identifier: Apache-2.0
#include "io/formats/json.hpp"

#include "harmofl/base/error.hpp"

#include <nlohmann/json.hpp>

#include <cmath>
#include <iterator>
#include <limits>
#include <set>

namespace harmofl {

using nlohmann::json;

namespace {

/// A key for messages, in single quotes.
std::string key_text(const json& key) {
  std::string text = shown(key);
  text.front() = '\'';
  if (text.back() == '"') text.back() = '\'';
  return text;
}

/// Reads a text without keeping its values, and refuses what nests too deep or has a key twice.
class Bounds final : public nlohmann::json_sax<json> {
 public:
  explicit Bounds(int max_depth) : max_depth_(max_depth) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }

  bool start_object(std::size_t) override { return open(); }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    throw JsonError(concat("has the key ", key_text(key), " twice"));
  }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }

  bool parse_error(std::size_t byte, const std::string&, const json::exception& error) override {
    const bool out_of_range = dynamic_cast<const json::out_of_range*>(&error) != nullptr;
    throw JsonError(out_of_range ? "is not JSON: it holds a number that is too large"
                                 : concat("is not JSON from its byte ", byte, " on"));
  }

 private:
  bool open() {
    keys_.emplace_back();
    if (std::ssize(keys_) <= max_depth_) return true;
    throw JsonError(concat("nests values deeper than ", max_depth_));
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  int max_depth_;
  std::vector<std::set<std::string>> keys_;  ///< Of the objects and, without any, arrays around.
};

}  // namespace

// nlohmann's parser keeps what is open in a list of its own; what copies, compares or prints a
// value calls itself for the values in it. Its messages quote the text, however long it is. Its
// parser with a callback would look at all members of an object after each of them.
json parse_json(std::string_view text, int max_depth) {
  Bounds bounds(max_depth);
  try {
    json::sax_parse(text, &bounds);
    return json::parse(text);
  } catch (const json::parse_error& error) {
    throw JsonError(concat("is not JSON from its byte ", error.byte, " on"));
  } catch (const json::exception&) {  // a number that no double holds
    throw JsonError("is not JSON: it holds a number that is too large");
  }
}

std::string shown(const json& value) {
  constexpr std::size_t most = 80;
  const std::string text = value.dump(-1, ' ', true);  // ASCII, which can be cut anywhere
  return text.size() <= most ? text : text.substr(0, most) + "...";
}

void JsonValue::fail(const std::string& problem) const {
  throw UserError(concat(place_, ": ", path_, path_.empty() ? "" : ": ", problem, ". ", remedy_));
}

void JsonValue::expect(bool good, const std::string& kind) const {
  if (!good) fail(concat("expected ", kind, ", found ", shown(*value_)));
}

JsonValue JsonValue::below(const json& value, const std::string& step) const {
  JsonValue made(value, place_, remedy_);
  made.path_ = path_.empty() ? step : concat(path_, ".", step);
  return made;
}

bool JsonValue::boolean() const {
  expect(value_->is_boolean(), "true or false");
  return value_->get<bool>();
}

std::int64_t JsonValue::whole(WholeRange range) const {
  constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
  const bool fits = value_->is_number_integer() &&
                    (!value_->is_number_unsigned() || value_->get<std::uint64_t>() <= most);
  expect(fits && range.holds(value_->get<std::int64_t>()), range.text());
  return value_->get<std::int64_t>();
}

double JsonValue::finite() const {
  expect(value_->is_number() && std::isfinite(value_->get<double>()), "a finite number");
  return value_->get<double>();
}

double JsonValue::number() const {
  return value_->is_null() ? std::numeric_limits<double>::quiet_NaN() : finite();
}

std::string JsonValue::text() const {
  expect(value_->is_string(), "a text");
  return value_->get<std::string>();
}

std::vector<JsonValue> JsonValue::items() const {
  expect(value_->is_array(), "a list");
  std::vector<JsonValue> found;
  for (const json& item : *value_) found.push_back(below(item, std::to_string(found.size())));
  return found;
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const {
  expect(value_->is_object(), "an object");
  std::vector<std::pair<std::string, JsonValue>> found;
  for (const auto& [key, member] : value_->items()) {
    found.emplace_back(key, below(member, key_text(key)));
  }
  return found;
}

std::optional<JsonValue> JsonValue::find(const std::string& key) const {
  expect(value_->is_object(), "an object");
  const auto found = value_->find(key);
  if (found == value_->end()) return std::nullopt;
  return below(*found, key);
}

JsonValue JsonValue::at(const std::string& key) const {
  const std::optional<JsonValue> found = find(key);
  if (!found) fail(concat("'", key, "' is missing"));
  return *found;
}

}  // namespace harmofl
