// SPDX-License-Identifier: Apache-2.0
#include "fuzz/targets.hpp"

#include <stdexcept>

namespace harmofl::fuzz {

void require(bool good, const char* what) {
  if (!good) throw std::logic_error(what);
}

}  // namespace harmofl::fuzz
