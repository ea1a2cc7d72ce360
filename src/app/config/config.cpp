// SPDX-License-Identifier: Apache-2.0
#include "app/config/config.hpp"

#include "app/command_line.hpp"
#include "app/config/keys.hpp"

#include <fstream>
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

void take(std::map<std::string, std::string>& values, const po::parsed_options& options,
          const std::string& origin) {
  po::variables_map map;
  po::store(options, map);
  for (const Key& key : config_keys()) {
    if (map.contains(key.name)) values[key.name] = map[key.name].as<std::string>();
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

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw UsageError(concat(path, ": cannot be read. Check the path given to --config."));
  return text.str();
}

}  // namespace

Config::Config() {
  for (const Key& key : config_keys()) values_[key.name] = key.default_text;
}

Config Config::from_arguments(const std::vector<std::string>& arguments) {
  po::options_description options = key_options();
  options.add_options()("config", po::value<std::string>())("dry-run", "")("resume", "");
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
      take_ini(config.values_, read_text(path), path);
    }
    take(config.values_, given, "command line");
  });
  if (map.contains("resume")) config.values_["run.resume"] = "true";
  config.dry_run_ = map.contains("dry-run");
  return config;
}

Config Config::from_ini(const std::string& text, const std::string& origin) {
  Config config;
  take_ini(config.values_, text, origin);
  return config;
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
