// SPDX-License-Identifier: Apache-2.0
/// What the subcommands of harmofl-prepare share in reading their options.
#pragma once

#include <boost/program_options.hpp>

#include <string>
#include <vector>

namespace harmofl::prepare {

/// Parses the arguments after the name of `command` by the options that it knows. Throws UsageError
/// with the closest known name for one that is not known.
boost::program_options::variables_map parse_options(
    const std::vector<std::string>& arguments,
    const boost::program_options::options_description& known, const std::string& command);

/// The value of --`option`. Throws UsageError where it is not given.
std::string required(const boost::program_options::variables_map& values, const std::string& option,
                     const std::string& command);

/// The parts of `text` between separators, a last empty one left out.
std::vector<std::string> split_text(const std::string& text, char separator);

}  // namespace harmofl::prepare
