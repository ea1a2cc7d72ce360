// SPDX-License-Identifier: Apache-2.0
/// Ends a job that hangs.
#pragma once

#include "comm/silence.hpp"
#include "harmofl/base/ids.hpp"

#include <memory>
#include <optional>
#include <string>

namespace harmofl {

/// While it lives, this rank must `kick` it before the limit of what it does is over
/// (SilenceLimits); otherwise it says which rank was doing what and ends the job (exit code 3).
/// Time in which the whole process stood still (a suspended job, SIGSTOP) does not count.
class Watchdog {
 public:
  /// Every kick within `timeout_s` seconds; 0 is never, no value is auto.
  Watchdog(std::optional<double> timeout_s, Rank rank);
  ~Watchdog();

  /// Reports progress: this rank now does `what`, which took as long before, and `when` ("in round
  /// 3") it does; both are also its last words if a signal ends it, whatever the timeout.
  void kick(const std::string& what, const std::string& when = "", Work work = Work::own);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
