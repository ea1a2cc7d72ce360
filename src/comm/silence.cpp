// SPDX-License-Identifier: Apache-2.0
#include "comm/silence.hpp"

#include <algorithm>
#include <limits>

namespace harmofl {

double SilenceLimits::longest_of(const std::string& what) const {
  const auto found = longest_.find(what);
  return found == longest_.end() ? 0.0 : found->second;
}

double SilenceLimits::limit_s(const std::string& what, Work work) const {
  if (timeout_s_) return *timeout_s_ > 0.0 ? *timeout_s_ : std::numeric_limits<double>::infinity();
  const bool of_the_same = work == Work::together || (work == Work::own && longest_.contains(what));
  return of_the_same ? std::max(floor_s, margin * longest_of(what))
                     : std::max(first_s, margin * longest_of_all_);
}

void SilenceLimits::learn(const std::string& what, double seconds) {
  if (!automatic()) return;
  double& longest = longest_[what];
  longest = std::max(longest, seconds);
  longest_of_all_ = std::max(longest_of_all_, seconds);
}

}  // namespace harmofl
