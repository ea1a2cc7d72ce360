// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/commands.hpp"
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

std::string describe(const AlgorithmEntry& entry) {
  std::string name = entry.name;
  name.resize(12, ' ');
  std::string text = concat(name, entry.source, "\n");
  for (const AlgorithmKey& key : entry.keys) {
    text += concat("              algorithm.", key.name, " = ", key.default_text, "  ", key.meaning,
                   "\n");
  }
  for (const auto& [key, value] : entry.defaults) {
    text += concat("              ", key, " = ", value, "  where that is auto\n");
  }
  return text;
}

}  // namespace

ExitCode list_algorithms(const Arguments& arguments, const Communicator& comm) {
  if (!arguments.empty() && !asks_for_help(arguments.front())) {
    throw UsageError(
        concat("harmofl algorithms: '", arguments.front(), "' is unknown. It takes no arguments."))
        .mark_on_every_rank();
  }
  std::string text =
      "Methods (algorithm.name), their papers, keys and defaults. Amplitude normalisation\n"
      "(amplitude.band) and weight perturbation (perturbation.alpha) combine with all of them.\n\n";
  for (const AlgorithmEntry& entry : algorithms()) text += describe(entry);
  print(text, comm);
  return ExitCode::done;
}

}  // namespace harmofl
