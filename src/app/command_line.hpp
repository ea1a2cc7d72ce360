/// What the parsers of all subcommands share.
#pragma once

#include "harmofl/base/error.hpp"

#include <boost/program_options.hpp>

#include <string>
#include <vector>

namespace harmofl {

/// Runs `parser`, which uses Boost.ProgramOptions; its errors become UsageErrors that name
/// `origin`, the nearest of the `known` names and where to look (`help`).
template <class Parser>
auto with_usage_errors(const std::string& origin, const std::vector<std::string>& known,
                       const std::string& help, const Parser& parser) {
  namespace po = boost::program_options;
  try {
    return parser();
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    throw UsageError(concat(origin, ": '", name, "' is unknown.", suggestion(name, known), " See `",
                            help, "`."));
  } catch (const po::error& error) {
    throw UsageError(concat(origin, ": ", error.what(), ". See `", help, "`."));
  }
}

/// Parses the arguments of subcommand `command`: long options only, spelled out, all of them in
/// `options`. A positional argument goes to option `positional` if that is not empty.
boost::program_options::variables_map parse_command(
    const std::string& command, const std::vector<std::string>& arguments,
    const boost::program_options::options_description& options, const std::string& positional = "");

}  // namespace harmofl
