// SPDX-License-Identifier: Apache-2.0
/// How far a count may be from what is expected of it.
#pragma once

#include <cmath>

namespace harmofl::test {

/// Five standard deviations of a binomial count.
inline double binomial_bound(int trials, double probability) {
  return 5.0 * std::sqrt(trials * probability * (1.0 - probability));
}

}  // namespace harmofl::test
