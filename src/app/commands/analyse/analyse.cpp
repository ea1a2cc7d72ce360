// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"
#include "app/commands/analyse/kinds.hpp"
#include "app/commands/commands.hpp"

namespace harmofl {
namespace {

const std::vector<Command>& kinds() {
  static const std::vector<Command> table{
      {"drift", "how far clients move in a round, and where to", analyse_drift},
      {"flatness", "loss against the length of a perturbation of the weights", analyse_flatness},
      {"surface", "loss on a plane through the weights", analyse_surface},
      {"spectra", "amplitude spectra of the sites, before and after normalisation",
       analyse_spectra},
      {"gradients", "norms of the sites' gradients and the angles between them", analyse_gradients},
  };
  return table;
}

std::string analyse_help() {
  std::string text =
      "usage: [mpirun -n RANKS] harmofl analyse KIND --checkpoint FILE --shards DIR [OPTIONS]\n"
      "Examines a checkpoint's global model; writes KIND.json and KIND.csv, prints a table.\n\n";
  for (const Command& kind : kinds()) {
    std::string name = kind.name;
    name.resize(12, ' ');
    text += concat("  ", name, kind.meaning, "\n");
  }
  return text + "\n`harmofl analyse KIND --help` lists the options.\n";
}

}  // namespace

ExitCode analyse(const Arguments& arguments, const Communicator& comm) {
  const std::string name = arguments.empty() ? "--help" : arguments.front();
  if (asks_for_help(name)) {
    print(analyse_help(), comm);
    return arguments.empty() ? ExitCode::usage : ExitCode::done;
  }
  std::vector<std::string> names;
  for (const Command& kind : kinds()) {
    if (name == kind.name) {
      return kind.run(Arguments(arguments.begin() + 1, arguments.end()), comm);
    }
    names.emplace_back(kind.name);
  }
  throw UsageError(unknown("harmofl analyse: kind '" + name + "'", name, names))
      .mark_on_every_rank();
}

}  // namespace harmofl
