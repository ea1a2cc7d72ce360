// SPDX-License-Identifier: Apache-2.0
// A few keys of every kind in place of the program's, which need libtorch.
#include "app/config/keys.hpp"

namespace harmofl {
namespace {

struct Options {
  std::int64_t rounds = 0, batch = 0;
  bool resume = false;
  std::filesystem::path output, shards;
  double lr = 0.0, timeout_s = 0.0;
  int optimizer = 0;
};

}  // namespace

const std::vector<Key>& config_keys() {
  static Options o;
  static const std::vector<Key> keys{
      {"run.rounds", "10", "", "a whole number", whole(o.rounds, {1})},
      {"run.resume", "false", "", "a switch", flag(o.resume)},
      {"run.output", "", "", "a path", any_path(o.output)},
      {"data.shards", "", "", "a path", any_path(o.shards)},
      {"train.lr", "0.1", "", "a number", number(o.lr, above(0))},
      {"train.batch", "16", "images", "a whole number", whole(o.batch, {1, 1 << 20})},
      {"train.optimizer", "sgd", "", "a choice",
       one_of<int>(o.optimizer, {{"sgd", 0}, {"adam", 1}})},
      {"comm.timeout", "600", "s", "a number", number(o.timeout_s, at_least(0))}};
  return keys;
}

}  // namespace harmofl
