// SPDX-License-Identifier: Apache-2.0
#include "app/config.hpp"

#include "app/command_line.hpp"

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
  return options;
}

std::vector<std::string> key_names() {
  std::vector<std::string> names;
  for (const Key& key : config_keys()) names.push_back(key.name);
  return names;
}

constexpr const char* help_command = "harmofl train --help";

void take(std::map<std::string, std::string>& values, const po::parsed_options& options) {
  po::variables_map map;
  po::store(options, map);
  for (const Key& key : config_keys()) {
    if (map.contains(key.name)) values[key.name] = map[key.name].as<std::string>();
  }
}

void take_ini(std::map<std::string, std::string>& values, const std::string& text,
              const std::string& origin) {
  std::istringstream stream(text);
  const po::options_description options = key_options();
  with_usage_errors(origin, key_names(), help_command,
                    [&] { take(values, po::parse_config_file(stream, options)); });
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw UsageError(concat(path, ": cannot be read. Check the path given to --config."));
  return text.str();
}

std::string section_of(const std::string& name) { return name.substr(0, name.find('.')); }
std::string key_of(const std::string& name) { return name.substr(name.find('.') + 1); }

}  // namespace

Config::Config() {
  for (const Key& key : config_keys()) values_[key.name] = key.default_text;
}

Config Config::from_arguments(const std::vector<std::string>& arguments) {
  po::options_description options = key_options();
  options.add_options()("config", po::value<std::string>())("dry-run", "")("resume", "");
  po::variables_map map;
  Config config;
  with_usage_errors("command line", key_names(), help_command, [&] {
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
    take(config.values_, given);
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

std::int64_t Config::integer(const std::string& key, std::int64_t least) const {
  std::istringstream stream(text(key));
  std::int64_t value = 0;
  if (!(stream >> value) || !stream.eof() || value < least) {
    throw UsageError(concat(key, " = ", text(key), " is no whole number of at least ", least, "."));
  }
  return value;
}

double Config::number(const std::string& key) const {
  std::istringstream stream(text(key));
  double value = 0.0;
  if (!(stream >> value) || !stream.eof()) {
    throw UsageError(concat(key, " = ", text(key), " is no number."));
  }
  return value;
}

bool Config::flag(const std::string& key) const {
  return choice<bool>(key, {{"true", true}, {"false", false}});
}

std::string Config::ini() const {
  std::string text;
  std::string section;
  for (const Key& key : config_keys()) {
    if (section_of(key.name) != section) {
      section = section_of(key.name);
      text += concat(text.empty() ? "" : "\n", "[", section, "]\n");
    }
    text += concat(key_of(key.name), " = ", values_.at(key.name), "\n");
  }
  return text;
}

std::vector<std::string> Config::differing(const Config& other) const {
  std::vector<std::string> keys;
  for (const Key& key : config_keys()) {
    if (text(key.name) != other.text(key.name)) keys.push_back(key.name);
  }
  return keys;
}

void Config::refuse_choice(const std::string& key, const std::vector<std::string>& names) const {
  throw UsageError(unknown(concat(key, " = ", text(key)), text(key), names));
}

std::string config_help() {
  std::ostringstream out;
  out << "usage: [mpirun -n RANKS] harmofl train --config FILE [--SECTION.KEY VALUE ...]\n\n"
         "  --config FILE   INI file with any of the keys below\n"
         "  --resume        same as --run.resume true\n"
         "  --dry-run       show the plan and leave\n\n"
         "Keys, [default] and unit:\n";
  std::string section;
  for (const Key& key : config_keys()) {
    if (section_of(key.name) != section) {
      section = section_of(key.name);
      out << "\n";
    }
    std::string left = concat("  --", key.name, " [", key.default_text, "]");
    if (!key.unit.empty()) left += " " + key.unit;
    left.resize(std::max<std::size_t>(left.size() + 2, 46), ' ');
    out << left << key.meaning << "\n";
  }
  return out.str();
}

}  // namespace harmofl
