// SPDX-License-Identifier: Apache-2.0
#include "app/config/key.hpp"

#include <algorithm>
#include <optional>

namespace harmofl {

bool Key::is_open(const std::string& text) const {
  return text == "auto" && default_text == "auto" &&
         std::ranges::find(value.choices, "auto") == value.choices.end();
}

void Key::read(const std::string& text) const {
  if (value.set(text)) return;
  const std::string given = concat(name, " = ", text.empty() ? "''" : text);
  if (!value.choices.empty()) {
    std::vector<std::string> known = value.choices;
    if (is_open(default_text) && text != default_text) known.insert(known.begin(), default_text);
    throw UsageError(unknown(given, text, known));
  }
  throw UsageError(
      concat(given, " is not ", value.form, ". Correct it; the default is ", default_text, "."));
}

KeyValue any_text(std::string& option) {
  return {[&option](const std::string& text) {
            option = text;
            return true;
          },
          "a text"};
}

KeyValue any_path(std::filesystem::path& option) {
  return {[&option](const std::string& text) {
            option = text;
            return true;
          },
          "a path"};
}

KeyValue text_of(std::string form, std::function<bool(const std::string& text)> accept) {
  return {std::move(accept), std::move(form)};
}

KeyValue number(double& option, const NumberRange& range) {
  return {[&option, range](const std::string& text) {
            const std::optional<double> value = parse_number(text);
            if (!value || !range.holds(*value)) return false;
            option = *value;
            return true;
          },
          range.text()};
}

KeyValue one_of_names(std::string& option, const std::vector<std::string>& names) {
  std::vector<Choice<std::string>> choices;
  for (const std::string& name : names) choices.push_back({name, name});
  return one_of(option, std::move(choices));
}

KeyValue flag(bool& option) { return one_of<bool>(option, {{"true", true}, {"false", false}}); }

}  // namespace harmofl
