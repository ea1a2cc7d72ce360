// SPDX-License-Identifier: Apache-2.0
#include "app/config/without_effect.hpp"

#include "app/config/keys.hpp"
#include "harmofl/base/number_text.hpp"
#include "harmofl/base/text.hpp"

#include <algorithm>

namespace harmofl {
namespace {

enum class When { is, is_not };

/// What a key needs of another to have an effect.
struct Need {
  std::string key;
  std::string other;
  When when;
  std::vector<std::string> values;
};

// Rows: key, the other key, and the values that this is to have, or not to have.
const std::vector<Need>& needs() {
  static const std::vector<Need> table{
      {"run.scratch", "run.state_memory", When::is_not, {"0"}},
      {"run.tensorboard_images", "run.tensorboard", When::is, {"true"}},
      {"data.clients", "data.partition", When::is, {"iid", "dirichlet", "quantity"}},
      {"data.partition_alpha", "data.partition", When::is, {"dirichlet", "quantity"}},
      {"cohort.sampling", "cohort.size", When::is_not, {"0"}},
      {"cohort.over_sampling", "cohort.size", When::is_not, {"0"}},
      {"train.momentum", "train.optimizer", When::is, {"sgd"}},
      {"amplitude.momentum", "amplitude.band", When::is_not, {"off"}},
      {"amplitude.update", "amplitude.band", When::is_not, {"off"}},
      {"amplitude.record", "amplitude.band", When::is_not, {"off"}},
      {"perturbation.adaptive", "perturbation.alpha", When::is_not, {"0"}},
      {"perturbation.eta", "perturbation.adaptive", When::is, {"true"}},
  };
  return table;
}

/// Whether two texts are one value: "0.50" is "0.5".
bool are_same(const std::string& a, const std::string& b) {
  const auto x = parse_number(a), y = parse_number(b);
  return x && y ? *x == *y : a == b;
}

bool is_default(const Config& config, const std::string& name) {
  const auto key = std::ranges::find(config_keys(), name, &Key::name);
  return are_same(config.text(name), key->default_text);
}

bool holds(const Need& need, const std::string& text) {
  const bool among = std::ranges::any_of(
      need.values, [&](const std::string& value) { return are_same(text, value); });
  return among == (need.when == When::is);
}

}  // namespace

std::vector<std::string> without_effect(const Config& config) {
  std::vector<std::string> found;
  for (const Need& need : needs()) {
    const std::string& text = config.text(need.other);
    if (is_default(config, need.key) || holds(need, text)) continue;
    const std::string remedy = need.when == When::is
                                   ? concat("set ", need.other, " to ", join(need.values, " or "))
                                   : concat("set ", need.other, " to something else");
    found.push_back(concat(need.key, " = ", config.text(need.key), " has no effect with ",
                           need.other, " = ", text, ". Leave it out, or ", remedy, "."));
  }
  return found;
}

}  // namespace harmofl
