// SPDX-License-Identifier: Apache-2.0
/// What the parsers of all subcommands share.
#pragma once

#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <boost/program_options.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// Runs `parser`, which uses Boost.ProgramOptions; its errors become UsageErrors that name
/// `origin`, what `suggest` makes of an unknown name, and where to look (`help`).
template <class Suggest, class Parser>
auto with_usage_errors(const std::string& origin, const Suggest& suggest, const std::string& help,
                       const Parser& parser) {
  namespace po = boost::program_options;
  try {
    return parser();
  } catch (const po::unknown_option& error) {
    std::string name = error.get_option_name();
    name.erase(0, name.find_first_not_of('-'));
    throw UsageError(
        concat(origin, ": '", name, "' is unknown.", suggest(name), " See `", help, "`."));
  } catch (const po::invalid_config_file_syntax& error) {
    // Boost's own message puts the line in the place of "%invalid_line%", without end where the
    // line holds that text.
    throw UsageError(concat(origin, ": the line '", error.tokens(),
                            "' is not of the form KEY = VALUE. See `", help, "`."));
  } catch (const po::error& error) {
    throw UsageError(concat(origin, ": ", error.what(), ". See `", help, "`."));
  }
}

/// Whether `argument` asks for the help: --help or -h.
bool asks_for_help(const std::string& argument);

/// Parses the arguments of subcommand `command`: long options only, spelled out, all of them in
/// `options`. A positional argument goes to option `positional` if that is not empty, up to `most`
/// of them; -1 is any number.
boost::program_options::variables_map parse_command(
    const std::string& command, const std::vector<std::string>& arguments,
    const boost::program_options::options_description& options, const std::string& positional = "",
    int most = 1);

/// Options of a subcommand as they were given, by name.
using GivenOptions = boost::program_options::variables_map;

/// An option that has a default; its value is a text, whatever it means.
boost::program_options::typed_value<std::string>* text_option(const std::string& default_text);

/// The number that option `name` of `given` is. Throws UsageError, naming it and its value, unless
/// it is one in the range.
double number_option(const GivenOptions& given, const std::string& name, const NumberRange& range);
std::int64_t whole_option(const GivenOptions& given, const std::string& name, WholeRange range);

}  // namespace harmofl
