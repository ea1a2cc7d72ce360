// SPDX-License-Identifier: Apache-2.0
#include "harmofl/fl/algorithm.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <algorithm>
#include <optional>

namespace harmofl {

// One each, in src/fl/methods/.
AlgorithmEntry cyclic();
AlgorithmEntry ditto();
AlgorithmEntry fedadagrad();
AlgorithmEntry fedadam();
AlgorithmEntry fedavg();
AlgorithmEntry fedavgm();
AlgorithmEntry fedbn();
AlgorithmEntry feddyn();
AlgorithmEntry fednova();
AlgorithmEntry fedprox();
AlgorithmEntry fedsam();
AlgorithmEntry fedyogi();
AlgorithmEntry harmofl_method();
AlgorithmEntry local_method();
AlgorithmEntry moon();
AlgorithmEntry scaffold();

const std::vector<AlgorithmEntry>& algorithms() {
  static const std::vector<AlgorithmEntry> table{
      cyclic(),         ditto(),        fedadagrad(), fedadam(),  fedavg(), fedavgm(),
      fedbn(),          feddyn(),       fednova(),    fedprox(),  fedsam(), fedyogi(),
      harmofl_method(), local_method(), moon(),       scaffold(),
  };
  return table;
}

std::vector<std::string> algorithm_names() {
  std::vector<std::string> names;
  for (const AlgorithmEntry& entry : algorithms()) names.push_back(entry.name);
  return names;
}

const AlgorithmEntry& find_algorithm(std::string_view name) {
  const auto found = std::ranges::find(algorithms(), name, &AlgorithmEntry::name);
  if (found != algorithms().end()) return *found;
  throw UsageError(unknown(concat("algorithm.name = ", name), name, algorithm_names()));
}

std::unique_ptr<Algorithm> make_algorithm(std::string_view name, const AlgorithmValues& given) {
  const AlgorithmEntry& entry = find_algorithm(name);
  return entry.make(AlgorithmOptions(entry.keys, given));
}

AlgorithmOptions::AlgorithmOptions(const std::vector<AlgorithmKey>& keys,
                                   const AlgorithmValues& given) {
  std::vector<std::string> names;
  for (const AlgorithmKey& key : keys) {
    names.push_back(key.name);
    const auto own = given.find(key.name);
    const std::string& text = own == given.end() ? key.default_text : own->second;
    const std::optional<double> value = parse_number(text);
    HARMOFL_VALIDATE(value && key.range.holds(*value), "algorithm.", key.name, " = ", text,
                     " is not ", key.range.text(), ". Correct it; the default is ",
                     key.default_text, ".");
    values_[key.name] = *value;
  }
  for (const auto& [name, value] : given) {
    if (!values_.contains(name)) throw UsageError(unknown("algorithm." + name, name, names));
  }
}

}  // namespace harmofl
