// SPDX-License-Identifier: Apache-2.0
#include "app/config.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"

namespace harmofl::fuzz {

void ini(std::string_view input) {
  const Config config = Config::from_ini(std::string(input), "fuzz.ini");
  for (const Key& key : config_keys()) {
    const auto refused_or_read = [&](const auto& read) {
      try {
        read();
      } catch (const UsageError&) {
      }
    };
    refused_or_read([&] { config.integer(key.name, 0); });
    refused_or_read([&] { config.number(key.name); });
    refused_or_read([&] { config.flag(key.name); });
  }
  // Runs keep this text in their checkpoints.
  const Config again = Config::from_ini(config.ini(), "again.ini");
  require(config.differing(again).empty(), "a configuration survives writing");
}

}  // namespace harmofl::fuzz
