// SPDX-License-Identifier: Apache-2.0
// What is known of names of keys besides the table.
#include "app/config/keys.hpp"
#include "harmofl/base/text.hpp"

namespace harmofl {

const std::vector<FormerKey>& former_keys() {
  static const std::vector<FormerKey> keys{{"algorithm.alpha", "perturbation.alpha"}};
  return keys;
}

std::string suggested_keys(std::string_view name) {
  std::vector<std::string> names, last_parts;
  for (const Key& key : config_keys()) {
    names.push_back(key.name);
    last_parts.push_back(key.last_part());
  }
  const auto with_last_part = [&](std::string_view part) {
    std::vector<std::string> found;
    for (const Key& key : config_keys()) {
      if (!part.empty() && key.last_part() == part) found.push_back("'" + key.name + "'");
    }
    return found;
  };
  const std::string_view last = name.substr(name.rfind('.') + 1);
  std::vector<std::string> near = with_last_part(last);
  if (near.empty()) {
    if (const std::string nearest = closest(name, names); !nearest.empty()) {
      return concat(" Did you mean '", nearest, "'?");
    }
    near = with_last_part(closest(last, last_parts));
  }
  return near.empty() ? "" : concat(" Did you mean ", join(near, " or "), "?");
}

}  // namespace harmofl
