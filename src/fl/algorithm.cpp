#include "harmofl/fl/algorithm.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/fl/fedavg.hpp"
#include "harmofl/fl/harmofl.hpp"

#include <algorithm>

namespace harmofl {
namespace {

template <class Method>
std::unique_ptr<Algorithm> make() {
  return std::make_unique<Method>();
}

}  // namespace

const std::vector<AlgorithmEntry>& algorithms() {
  static const std::vector<AlgorithmEntry> table{
      {"fedavg", "McMahan et al., AISTATS 2017", 0.0, "off", make<FedAvg>},
      {"harmofl", "Jiang, Wang, Dou, AAAI 2022", 0.05, "dc", make<HarmoFL>},
  };
  return table;
}

const AlgorithmEntry& find_algorithm(std::string_view name) {
  const auto found = std::ranges::find(algorithms(), name, &AlgorithmEntry::name);
  if (found != algorithms().end()) return *found;
  std::vector<std::string> names;
  for (const AlgorithmEntry& entry : algorithms()) names.push_back(entry.name);
  const std::string near = closest(name, names);
  throw UsageError(concat("algorithm.name = ", name, " is unknown.",
                          near.empty() ? "" : " Did you mean '" + near + "'?",
                          " Known: ", join(names), "."));
}

}  // namespace harmofl
