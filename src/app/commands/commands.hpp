// SPDX-License-Identifier: Apache-2.0
/// The subcommands of `harmofl`.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/error.hpp"

#include <string>
#include <vector>

namespace harmofl {

using Arguments = std::vector<std::string>;

/// A subcommand: collective over `comm`, its arguments without its own name.
struct Command {
  const char* name;
  const char* meaning;
  ExitCode (*run)(const Arguments& arguments, const Communicator& comm);
};

/// All subcommands, in the order of the help.
const std::vector<Command>& commands();

ExitCode train(const Arguments& arguments, const Communicator& comm);
ExitCode evaluate_checkpoint(const Arguments& arguments, const Communicator& comm);
ExitCode predict(const Arguments& arguments, const Communicator& comm);
ExitCode inspect(const Arguments& arguments, const Communicator& comm);
ExitCode analyse(const Arguments& arguments, const Communicator& comm);
ExitCode diff_runs(const Arguments& arguments, const Communicator& comm);
ExitCode export_weights(const Arguments& arguments, const Communicator& comm);
ExitCode list_algorithms(const Arguments& arguments, const Communicator& comm);
ExitCode watch(const Arguments& arguments, const Communicator& comm);
ExitCode synthesize_federation(const Arguments& arguments, const Communicator& comm);

/// Runs the subcommand that `arguments` start with. Collective.
ExitCode run_command(const Arguments& arguments, const Communicator& comm);

/// Prints `text` to standard output, on the root only. Collective: where it cannot be written every
/// rank throws UserError.
void print(const std::string& text, const Communicator& comm);

}  // namespace harmofl
