// SPDX-License-Identifier: Apache-2.0
#include "prepare/subcommands.hpp"

#include "base/version.hpp"
#include "harmofl/base/text.hpp"
#include "prepare/images/convert.hpp"
#include "prepare/images/options.hpp"
#include "prepare/sets/camelyon17.hpp"
#include "prepare/sets/prostate.hpp"
#include "prepare/sets/set_options.hpp"
#include "prepare/tables/tabular.hpp"

#include <algorithm>
#include <iomanip>

namespace harmofl::prepare {
namespace {

constexpr int name_columns = 14;

ExitCode images(const std::vector<std::string>& arguments, std::ostream& out) {
  const Command command = parse(arguments);
  if (command.answer.empty()) return convert(command.options, out);
  out << command.answer;
  return ExitCode::done;
}

ExitCode table(const std::vector<std::string>& arguments, std::ostream& out) {
  const TabularCommand command = parse_tabular(arguments);
  if (command.answer.empty()) return convert_table(command.options, out);
  out << command.answer;
  return ExitCode::done;
}

ExitCode camelyon17(const std::vector<std::string>& arguments, std::ostream& out) {
  std::string help;
  const CamelyonOptions options = parse_camelyon17(arguments, help);
  if (help.empty()) return convert_camelyon17(options, out);
  out << help;
  return ExitCode::done;
}

ExitCode prostate(const std::vector<std::string>& arguments, std::ostream& out) {
  std::string help;
  const ProstateOptions options = parse_prostate(arguments, help);
  if (help.empty()) return convert_prostate(options, out);
  out << help;
  return ExitCode::done;
}

/// A subcommand; `run` gets the arguments after its name.
struct Subcommand {
  const char* name;
  const char* purpose;
  ExitCode (*run)(const std::vector<std::string>& arguments, std::ostream& out);
};

constexpr Subcommand subcommands[] = {
    {"images", "folders or lists of images, with masks or classes", images},
    {"camelyon17", "Camelyon17-WILDS: patches of tissue of five hospitals", camelyon17},
    {"prostate", "MRI volumes of the prostate with masks, NIfTI, by site", prostate},
    {"tabular", "a CSV table with a row a patient", table},
};

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const Subcommand& subcommand : subcommands) all.push_back(subcommand.name);
  return all;
}

void write_help(std::ostream& out) {
  out << "Usage: harmofl-prepare COMMAND [options]\n\nMakes HDF5 shards, one a site, from\n";
  for (const Subcommand& subcommand : subcommands) {
    out << "  " << std::left << std::setw(name_columns) << subcommand.name << subcommand.purpose
        << '\n';
  }
  out << "\nharmofl-prepare COMMAND --help tells the options of each.\n";
}

}  // namespace

ExitCode run_subcommand(const std::vector<std::string>& arguments, std::ostream& out) {
  const std::string first = arguments.empty() ? "" : arguments.front();
  if (first == "--help" || first == "-h") {
    write_help(out);
    return ExitCode::done;
  }
  if (first == "--version") {
    out << "harmofl-prepare " << build_info().version << '\n';
    return ExitCode::done;
  }
  const std::string see_help = " See harmofl-prepare --help.";
  if (first.empty())
    throw UsageError(concat("a command is missing: ", join(names()), ".", see_help));
  const auto* found = std::find_if(std::begin(subcommands), std::end(subcommands),
                                   [&](const Subcommand& known) { return known.name == first; });
  if (found == std::end(subcommands)) {
    const std::string near = closest(first, names());
    throw UsageError(concat(
        "unknown command '", first, "'.",
        near.empty() ? concat(" Known: ", join(names()), ".") : concat(" Did you mean ", near, "?"),
        see_help));
  }
  return found->run({arguments.begin() + 1, arguments.end()}, out);
}

}  // namespace harmofl::prepare
