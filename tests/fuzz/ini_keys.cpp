// SPDX-License-Identifier: Apache-2.0
// A few keys of every kind in place of the program's, which need libtorch.
#include "app/config.hpp"

namespace harmofl {

const std::vector<Key>& config_keys() {
  static const std::vector<Key> keys{{"run.rounds", "10", "", "a number"},
                                     {"run.resume", "false", "", "a switch"},
                                     {"run.output", "", "", "a text"},
                                     {"data.shards", "", "", "a text"},
                                     {"train.lr", "0.1", "", "a number with a fraction"},
                                     {"train.batch", "16", "images", "a number"},
                                     {"comm.timeout", "600", "s", "a number"}};
  return keys;
}

}  // namespace harmofl
