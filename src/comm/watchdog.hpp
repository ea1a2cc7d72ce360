// SPDX-License-Identifier: Apache-2.0
/// Ends a job that hangs.
#pragma once

#include "harmofl/base/ids.hpp"

#include <memory>
#include <string>

namespace harmofl {

/// While it lives, `kick` must be called at least every `timeout_s` seconds on this rank;
/// otherwise it says which rank was doing what and ends the job (exit code 3).
/// A timeout of 0 switches it off.
class Watchdog {
 public:
  Watchdog(double timeout_s, Rank rank);
  ~Watchdog();

  /// Reports progress: this rank now does `activity`, which are also its last words if a signal
  /// ends it, whatever the timeout.
  void kick(const std::string& activity);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
