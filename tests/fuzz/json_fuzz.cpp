// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"
#include "io/formats/json.hpp"

#include <nlohmann/json.hpp>

namespace harmofl::fuzz {
namespace {

/// Takes a value as what it may be, and all that is in it; what it is not is an Error.
void take(const JsonValue& value) {
  const auto attempt = [](const auto& action) {
    try {
      action();
    } catch (const UserError&) {
    }
  };
  attempt([&] { require(value.whole({0, 9}) <= 9, "numbers are within their range"); });
  attempt([&] { value.number(); });
  attempt([&] { value.boolean(); });
  attempt([&] { value.text(); });
  attempt([&] {
    for (const JsonValue& item : value.items()) take(item);
  });
  attempt([&] {
    for (const auto& [key, member] : value.members()) take(member);
  });
}

}  // namespace

void json(std::string_view input) {
  nlohmann::json value;
  try {
    value = parse_json(input, max_json_depth);
  } catch (const JsonError& error) {
    require(std::string_view(error.what()).size() < 200, "what is wrong is said in a line");
    throw UserError(error.what());
  }
  require(shown(value).size() < 100, "values are shown in part");
  require(parse_json(value.dump(), max_json_depth) == value, "what is written is read again");
  take({value, "x.json", "Mend it."});
}

}  // namespace harmofl::fuzz
