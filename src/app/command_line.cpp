// SPDX-License-Identifier: Apache-2.0
#include "app/command_line.hpp"

#include <optional>

namespace harmofl {

namespace po = boost::program_options;

bool asks_for_help(const std::string& argument) { return argument == "--help" || argument == "-h"; }

po::variables_map parse_command(const std::string& command,
                                const std::vector<std::string>& arguments,
                                const po::options_description& options,
                                const std::string& positional, int most) {
  std::vector<std::string> known;
  for (const auto& option : options.options()) known.push_back(option->long_name());
  po::positional_options_description where;
  if (!positional.empty()) where.add(positional.c_str(), most);
  const auto suggest = [&](const std::string& name) { return suggestion(name, known); };
  return with_usage_errors("harmofl " + command, suggest, "harmofl " + command + " --help", [&] {
    po::variables_map map;
    po::store(
        po::command_line_parser(arguments)
            .options(options)
            .positional(where)
            .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
            .run(),
        map);
    if (!map.contains("help")) po::notify(map);
    return map;
  });
}

po::typed_value<std::string>* text_option(const std::string& default_text) {
  return po::value<std::string>()->default_value(default_text);
}

double number_option(const GivenOptions& given, const std::string& name, const NumberRange& range) {
  const auto& text = given[name].as<std::string>();
  const std::optional<double> value = parse_number(text);
  if (value && range.holds(*value)) return *value;
  throw UsageError(concat("--", name, " ", text, " is not ", range.text(), "."));
}

std::int64_t whole_option(const GivenOptions& given, const std::string& name, WholeRange range) {
  const auto& text = given[name].as<std::string>();
  const std::optional<std::int64_t> value = parse_whole(text);
  if (value && range.holds(*value)) return *value;
  throw UsageError(concat("--", name, " ", text, " is not ", range.text(), "."));
}

}  // namespace harmofl
