// SPDX-License-Identifier: Apache-2.0
#include "app/commands/commands.hpp"

#include "app/command_line.hpp"
#include "base/log.hpp"
#include "base/version.hpp"

#include <algorithm>

namespace harmofl {
namespace {

std::string commands_help() {
  std::string text =
      "harmofl: federated learning on HPC clusters, one MPI rank for one client or many\n\n"
      "usage: [mpirun -n RANKS] harmofl COMMAND [OPTIONS]    (COMMAND --help tells more)\n\n";
  for (const Command& command : commands()) {
    std::string name = command.name;
    name.resize(12, ' ');
    text += concat("  ", name, command.meaning, "\n");
  }
  return text +
         "\nExit codes: 0 done, 1 bad input, 2 usage, 3 failed on a rank, "
         "75 interrupted and saved (call again with --resume).\n";
}

std::string version() {
  const BuildInfo& build = build_info();
  return concat("harmofl ", build.version, " (", build.git_commit, ", ", build.build_type, ", ",
                build.compiler, build.cuda ? ", CUDA and NCCL" : ", CPU", ")\n");
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> table{
      {"train", "train a federation by a configuration file", train},
      {"evaluate", "measure a checkpoint on the shards of a folder", evaluate_checkpoint},
      {"predict", "predict shards or images: masks, classes, probabilities", predict},
      {"analyse", "drift, flatness, loss surface, spectra, gradients", analyse},
      {"diff", "the first round, client and tensor in which two runs differ", diff_runs},
      {"algorithms", "list the methods with their keys, defaults and papers", list_algorithms},
      {"export", "write a checkpoint's model as .safetensors or .pt", export_weights},
      {"inspect", "describe and verify a shard or a checkpoint", inspect},
      {"watch", "show runs in a terminal while they go on", watch},
      {"synthesize", "make synthetic sites that differ like scanners do", synthesize_federation},
  };
  return table;
}

ExitCode run_command(const Arguments& arguments, const Communicator& comm) {
  const std::string name = arguments.empty() ? "--help" : arguments.front();
  if (asks_for_help(name) || name == "help") {
    print(commands_help(), comm);
    return arguments.empty() ? ExitCode::usage : ExitCode::done;
  }
  if (name == "--version") {
    print(version(), comm);
    return ExitCode::done;
  }
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (name == command.name) {
      return command.run(Arguments(arguments.begin() + 1, arguments.end()), comm);
    }
    names.emplace_back(command.name);
  }
  throw UsageError(unknown("command '" + name + "'", name, names)).mark_on_every_rank();
}

void print(const std::string& text, const Communicator& comm) {
  comm.agree([&] {
    if (comm.is_root()) log::answer(text);
  });
}

}  // namespace harmofl
