// SPDX-License-Identifier: Apache-2.0
#include "app/config/key_values.hpp"

#include "harmofl/base/text.hpp"
#include "model/measures/measure_table.hpp"

#include <algorithm>
#include <sstream>
#include <utility>

namespace harmofl {
namespace {

/// A text that `accept` takes, `auto` among them: what that is depends on the task alone.
KeyValue auto_or(std::string form, std::function<bool(const std::string& text)> accept) {
  KeyValue value = text_of(std::move(form), std::move(accept));
  value.choices = {"auto"};
  return value;
}

/// Numbers above 0 with commas between them; nothing for another text.
std::optional<std::vector<double>> positive_numbers(const std::string& text) {
  std::vector<double> numbers;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::optional<double> value = parse_number(text.substr(begin, end - begin));
    if (!value || !above(0).holds(*value)) return std::nullopt;
    numbers.push_back(*value);
    begin = end + 1;
  }
  return numbers;
}

}  // namespace

KeyValue auto_or_number(std::optional<double>& option, const NumberRange& range,
                        const std::string& name) {
  return auto_or(range.text(), [&option, range, name](const std::string& text) {
    const std::optional<double> value = parse_number(text);
    if (text != "auto" && !(value && range.holds(*value))) {
      throw UsageError(concat(name, " = ", text.empty() ? "''" : text, " is neither auto nor ",
                              range.text(), ". Correct it; the default is auto."));
    }
    option = value;
    return true;
  });
}

KeyValue measure_names(std::vector<std::string>& option) {
  return auto_or("a list of measures", [&option](const std::string& text) {
    option = parse_measures("run.measures", text);
    return true;
  });
}

KeyValue measure_name(std::string& option) {
  return auto_or("a measure", [&option](const std::string& text) {
    std::vector<std::string> known{"auto"};
    for (const Measure& measure : measures()) known.push_back(measure.name);
    if (std::ranges::find(known, text) == known.end()) {
      throw UsageError(unknown(concat("run.best_by = ", text.empty() ? "''" : text), text, known));
    }
    option = text == "auto" ? "" : text;
    return true;
  });
}

KeyValue names_of_sites(std::vector<std::string>& option) {
  return text_of("a text", [&option](const std::string& text) {
    option.clear();
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
      const auto first = part.find_first_not_of(' ');
      if (first == std::string::npos) continue;
      option.push_back(part.substr(first, part.find_last_not_of(' ') + 1 - first));
    }
    return text.empty() || !option.empty();
  });
}

KeyValue class_weights(LossOptions& loss) {
  return text_of("none, frequency or numbers above 0, for example 1,2.5",
                 [&loss](const std::string& text) {
                   loss.weigh_by_frequency = text == "frequency";
                   loss.class_weights.clear();
                   if (text == "none" || text == "frequency") return true;
                   const auto numbers = positive_numbers(text);
                   if (numbers) loss.class_weights = *numbers;
                   return numbers.has_value();
                 });
}

KeyValue method_value(AlgorithmValues& values, const std::string& name) {
  return text_of("a number", [&values, name](const std::string& text) {
    if (text == "auto") return true;
    values[name] = text;
    return parse_number(text).has_value();
  });
}

}  // namespace harmofl
