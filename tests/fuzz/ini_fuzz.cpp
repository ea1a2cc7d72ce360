// SPDX-License-Identifier: Apache-2.0
#include "app/config/config.hpp"
#include "app/config/keys.hpp"
#include "fuzz/targets.hpp"
#include "harmofl/base/error.hpp"

namespace harmofl::fuzz {

void ini(std::string_view input) {
  const Config config = Config::from_ini(std::string(input), "fuzz.ini");
  for (const Key& key : config_keys()) {
    try {
      key.read(config.text(key.name));
    } catch (const UsageError&) {  // refused with a message
    }
  }
  // Runs keep this text in their checkpoints.
  const Config again = Config::from_ini(config.ini(), "again.ini");
  require(config.ini() == again.ini(), "a configuration survives writing");
}

}  // namespace harmofl::fuzz
