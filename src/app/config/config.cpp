// SPDX-License-Identifier: Apache-2.0
#include "app/config/config.hpp"

#include "app/command_line.hpp"
#include "app/config/keys.hpp"
#include "base/read_file.hpp"

#include <sstream>

namespace harmofl {
namespace {

namespace po = boost::program_options;

po::options_description key_options() {
  po::options_description options;
  for (const Key& key : config_keys()) {
    auto* value = po::value<std::string>();
    if (key.default_text == "true" || key.default_text == "false") value->implicit_value("true");
    options.add_options()(key.name.c_str(), value);
  }
  for (const FormerKey& key : former_keys()) {
    options.add_options()(key.name.c_str(), po::value<std::string>());
  }
  return options;
}

constexpr const char* help_command = "harmofl train --help";

/// Refuses what a line `key = value` of an INI file does not give back: config.ini and checkpoints
/// hold the value so.
void check_value(const std::string& key, const std::string& value, const std::string& origin) {
  const auto refuse = [&](const char* why) {
    throw UserError(concat(origin, ": ", key, " = '", value, "' ", why, ". Give another value."));
  };
  if (value.find('#') != std::string::npos) refuse("has a '#', with which a comment begins");
  if (!is_printable(value)) refuse("is not UTF-8 without control characters");
  if (value.starts_with(' ') || value.ends_with(' ')) refuse("begins or ends with a blank");
}

void take(std::map<std::string, std::string>& values, const po::parsed_options& options,
          const std::string& origin) {
  po::variables_map map;
  po::store(options, map);
  for (const Key& key : config_keys()) {
    if (!map.contains(key.name)) continue;
    values[key.name] = map[key.name].as<std::string>();
    check_value(key.name, values[key.name], origin);
  }
  for (const FormerKey& key : former_keys()) {
    if (!map.contains(key.name) || map[key.name].as<std::string>() == "auto") continue;
    throw UsageError(concat(origin, ": the key ", key.name, " is now ", key.successor, ". Set ",
                            key.successor, " = ", map[key.name].as<std::string>(), " instead."));
  }
}

void take_ini(std::map<std::string, std::string>& values, const std::string& text,
              const std::string& origin) {
  std::istringstream stream(text);
  const po::options_description options = key_options();
  with_usage_errors(origin, suggested_keys, help_command,
                    [&] { take(values, po::parse_config_file(stream, options), origin); });
}

DryRun parse_dry_run(const std::string& value) {
  if (value.empty()) return DryRun::plan;
  if (value == "time") return DryRun::timed;
  if (value == "json") return DryRun::json;
  throw UsageError(concat("command line: --dry-run=", value, " is unknown. Give --dry-run, ",
                          "--dry-run=time to time some steps as well, or --dry-run=json to have ",
                          "the plan for programs."));
}

/// The file that the command line names.
std::string read_config_file(const std::string& path) {
  try {
    return read_text_file(path);
  } catch (const UserError& error) {
    throw UsageError(concat("--config: ", error.what()));
  }
}

}  // namespace

Config::Config() {
  for (const Key& key : config_keys()) values_[key.name] = key.default_text;
}

Config Config::from_arguments(const std::vector<std::string>& arguments) {
  po::options_description options = key_options();
  options.add_options()("config", po::value<std::string>())(
      "dry-run", po::value<std::string>()->implicit_value(""))("resume", "")("accept-changed-data",
                                                                             "");
  po::variables_map map;
  Config config;
  with_usage_errors("command line", suggested_keys, help_command, [&] {
    const po::parsed_options given =
        po::command_line_parser(arguments)
            .options(options)
            .style(po::command_line_style::unix_style & ~po::command_line_style::allow_guessing)
            .positional(po::positional_options_description{})
            .run();
    po::store(given, map);
    if (map.contains("config")) {
      const std::string path = map["config"].as<std::string>();
      take_ini(config.values_, read_config_file(path), path);
    }
    take(config.values_, given, "command line");
  });
  if (map.contains("resume")) config.values_["run.resume"] = "true";
  if (map.contains("dry-run")) {
    config.dry_run_ = parse_dry_run(map["dry-run"].as<std::string>());
  }
  config.accepts_changed_data_ = map.contains("accept-changed-data");
  return config;
}

Config Config::from_ini(const std::string& text, const std::string& origin) {
  Config config;
  take_ini(config.values_, text, origin);
  return config;
}

void Config::check_comes_back() const {
  const Config again = from_ini(ini(), "config.ini");
  for (const auto& [key, value] : values_) {
    HARMOFL_VALIDATE(again.values_.at(key) == value, key, " = '", value, "' would come back from ",
                     "config.ini as '", again.values_.at(key), "'. Give another value.");
  }
}

std::string Config::ini() const {
  std::string text;
  std::string section;
  for (const Key& key : config_keys()) {
    if (key.section() != section) {
      section = key.section();
      text += concat(text.empty() ? "" : "\n", "[", section, "]\n");
    }
    text += concat(key.last_part(), " = ", values_.at(key.name), "\n");
  }
  return text;
}

}  // namespace harmofl
