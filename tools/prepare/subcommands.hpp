// SPDX-License-Identifier: Apache-2.0
/// What harmofl-prepare can be asked to do.
#pragma once

#include "harmofl/base/error.hpp"

#include <ostream>
#include <string>
#include <vector>

namespace harmofl::prepare {

/// Runs the subcommand that `arguments` (those after the program's name) begin with, and writes its
/// answer to `out`. Throws UsageError for a subcommand that is not known, and what the subcommand
/// throws.
ExitCode run_subcommand(const std::vector<std::string>& arguments, std::ostream& out);

}  // namespace harmofl::prepare
