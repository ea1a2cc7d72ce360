// SPDX-License-Identifier: Apache-2.0
#include "prepare/command_options.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>
#include <sstream>

namespace harmofl::prepare {
namespace {

namespace po = boost::program_options;

std::string help_hint(const std::string& command) {
  return concat(" See harmofl-prepare ", command, " --help.");
}

[[noreturn]] void refuse_unknown(const std::string& given, const po::options_description& known,
                                 const std::string& command) {
  std::vector<std::string> names;
  for (const auto& option : known.options()) names.push_back(option->long_name());
  const std::string name = given.substr(std::min(given.size(), given.find_first_not_of('-')));
  const std::string near = closest(name, names);
  throw UsageError(concat("unknown option '", given, "'.",
                          near.empty() ? "" : concat(" Did you mean --", near, "?"),
                          help_hint(command)));
}

}  // namespace

po::variables_map parse_options(const std::vector<std::string>& arguments,
                                const po::options_description& known, const std::string& command) {
  const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
  po::variables_map values;
  try {
    const po::positional_options_description none;
    po::store(po::command_line_parser(arguments).options(known).style(style).positional(none).run(),
              values);
  } catch (const po::unknown_option& error) {
    refuse_unknown(error.get_option_name(), known, command);
  } catch (const po::too_many_positional_options_error&) {
    throw UsageError(concat("only options may follow '", command, "'.", help_hint(command)));
  } catch (const po::error& error) {
    throw UsageError(concat(error.what(), ".", help_hint(command)));
  }
  return values;
}

std::string required(const po::variables_map& values, const std::string& option,
                     const std::string& command) {
  if (values.count(option) == 0) {
    throw UsageError(concat("--", option, " is missing.", help_hint(command)));
  }
  return values[option].as<std::string>();
}

std::vector<std::string> split_text(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

}  // namespace harmofl::prepare
