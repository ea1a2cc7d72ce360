// SPDX-License-Identifier: Apache-2.0
#include "app/commands/diff/fact_difference.hpp"
#include "app/config/keys.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <boost/program_options.hpp>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

namespace harmofl {
namespace {

/// Of [run], all other keys of which name, record or save.
constexpr std::array computing_keys_of_run{"run.seed"};

/// Keys of other sections that say where something lies, how long to wait, or what is done beside
/// the rounds.
constexpr std::array idle_keys{"data.shards",        "data.residence",  "model.script",
                               "fleet.table",        "comm.timeout",    "device.lanes",
                               "personalize.epochs", "personalize.rate"};

/// Keys that decide in which order updates are added up.
constexpr std::array order_keys{"comm.transport", "comm.placement"};

template <class Names>
bool is_among(const Names& names, std::string_view key) {
  return std::ranges::find(names, key) != names.end();
}

std::string value_of(const ConfigValues& values, const std::string& key) {
  if (const auto found = values.find(key); found != values.end()) return found->second;
  const auto known = std::ranges::find(config_keys(), key, &Key::name);
  return known == config_keys().end() ? "" : known->default_text;
}

bool recomputes(const ConfigValues& values) {
  return value_of(values, "model.buffers") == "recompute";
}

bool can_change_bits(const std::string& key, const ConfigValues& a, const ConfigValues& b) {
  if (is_among(order_keys, key)) return !both_exact(a, b);
  // Statistics are recomputed when the model is evaluated.
  if (key == "run.evaluate_every") return recomputes(a) || recomputes(b);
  if (key.starts_with("run.")) return is_among(computing_keys_of_run, key);
  return !is_among(idle_keys, key);
}

bool are_one_value(const std::string& a, const std::string& b) {
  const auto x = parse_number(a), y = parse_number(b);
  return x && y ? *x == *y : a == b;
}

/// The keys of both, known ones in the order of the documentation.
std::vector<std::string> keys_of_both(const ConfigValues& a, const ConfigValues& b) {
  std::set<std::string> left;
  for (const ConfigValues& values : {a, b}) {
    for (const auto& item : values) left.insert(item.first);
  }
  std::vector<std::string> names;
  for (const Key& key : config_keys()) {
    if (left.erase(key.name) > 0) names.push_back(key.name);
  }
  names.insert(names.end(), left.begin(), left.end());
  return names;
}

}  // namespace

ConfigValues ini_values(const std::string& text, const std::string& origin) {
  namespace po = boost::program_options;
  std::istringstream stream(text);
  const po::options_description none;
  try {
    ConfigValues values;
    for (const po::option& option : po::parse_config_file(stream, none, true).options) {
      values[option.string_key] = option.value.empty() ? "" : option.value.front();
    }
    return values;
  } catch (const po::error&) {
    throw UserError(concat(printable(origin),
                           ": holds a line that is not of the form KEY = VALUE. ",
                           "Give the folder of a run that nobody has changed."));
  }
}

bool both_exact(const ConfigValues& a, const ConfigValues& b) {
  return value_of(a, "comm.reduce") == "exact" && value_of(b, "comm.reduce") == "exact";
}

std::vector<FactDifference> config_differences(const ConfigValues& a, const ConfigValues& b) {
  std::vector<FactDifference> found;
  for (const std::string& key : keys_of_both(a, b)) {
    const std::string left = value_of(a, key), right = value_of(b, key);
    if (are_one_value(left, right)) continue;
    found.push_back({key, left, right, can_change_bits(key, a, b)});
  }
  return found;
}

}  // namespace harmofl
