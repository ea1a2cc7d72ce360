// SPDX-License-Identifier: Apache-2.0
#include "comm/watchdog.hpp"

#include "base/log.hpp"
#include "base/process/last_words.hpp"
#include "base/timer.hpp"
#include "comm/communicator.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

namespace harmofl {
namespace {

using Seconds = std::chrono::duration<double>;

/// How often the watchdog looks, by the limit: late by a tenth, and by a minute at most.
double pause_s(double limit_s) { return std::min(limit_s / 10.0, 60.0); }

}  // namespace

struct Watchdog::Impl {
  const Rank rank;
  std::mutex mutex;
  std::condition_variable_any wake;
  SilenceLimits limits;
  std::string what = "starting";
  std::string activity = what;
  double limit_s = limits.limit_s(what, Work::own);
  double silent_s = 0.0;  ///< Time without a kick in which this process ran.
  Stopwatch since_kick;
  std::jthread thread{[this](const std::stop_token& stop) { watch(stop); }};  // last: uses the rest

  Impl(std::optional<double> timeout_s, Rank own_rank) : rank(own_rank), limits(timeout_s) {}

  /// Counts no more of a pause than was asked for: what is longer, this process did not run.
  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (silent_s < limit_s) {
      const double asked_s = pause_s(limit_s);
      wake.wait_for(lock, stop, Seconds(asked_s), [] { return false; });
      if (stop.stop_requested()) return;
      silent_s += std::min(asked_s, since_kick.elapsed_s());
    }
    log::error(concat("rank ", rank, " has reported nothing for ", limit_s, " s; it was doing: ",
                      activity, ". The job is taken to hang and is ended. Look at the logs of the ",
                      "other ranks; if this step is only slow, ", remedy()));
    MpiSession::abort(ExitCode::rank_failure);
  }

  std::string remedy() const {
    return limits.automatic() ? "set comm.timeout to more seconds, or to 0 for never."
                              : "raise comm.timeout.";
  }

  void kick(const std::string& next, Work work, std::string words) {
    const std::lock_guard lock(mutex);
    limits.learn(what, since_kick.elapsed_s());
    since_kick.reset();
    silent_s = 0.0;
    what = next;
    activity = std::move(words);
    limit_s = limits.limit_s(what, work);
  }
};

Watchdog::Watchdog(std::optional<double> timeout_s, Rank rank)
    : impl_(timeout_s == 0.0 ? nullptr : std::make_unique<Impl>(timeout_s, rank)) {}

Watchdog::~Watchdog() = default;

void Watchdog::kick(const std::string& what, const std::string& when, Work work) {
  const std::string words = when.empty() ? what : what + " " + when;
  set_activity(words);
  if (impl_ != nullptr) impl_->kick(what, work, words);
}

}  // namespace harmofl
