// SPDX-License-Identifier: Apache-2.0
#include "comm/watchdog.hpp"

#include "base/last_words.hpp"
#include "base/log.hpp"
#include "comm/communicator.hpp"
#include "harmofl/base/error.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace harmofl {

struct Watchdog::Impl {
  using Clock = std::chrono::steady_clock;

  const double timeout_s;
  const Rank rank;
  std::mutex mutex;
  std::condition_variable_any wake;
  std::string activity = "starting";
  Clock::time_point deadline = next_deadline();
  std::jthread thread{[this](const std::stop_token& stop) { watch(stop); }};  // last: uses the rest

  Impl(double timeout, Rank own_rank) : timeout_s(timeout), rank(own_rank) {}

  Clock::time_point next_deadline() const {
    return Clock::now() +
           std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s));
  }

  /// A kick moves the deadline without waking this thread, which then finds the new one.
  void watch(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (Clock::now() < deadline) {
      const Clock::time_point until = deadline;  // a kick changes `deadline` meanwhile
      wake.wait_until(lock, stop, until, [] { return false; });
      if (stop.stop_requested()) return;
    }
    log::error(concat("rank ", rank, " has reported nothing for ", timeout_s,
                      " s; it was doing: ", activity,
                      ". The job is taken to hang and is ended. Look at the logs of the other "
                      "ranks; if this step is only slow, raise comm.timeout."));
    MpiSession::abort(ExitCode::rank_failure);
  }
};

Watchdog::Watchdog(double timeout_s, Rank rank)
    : impl_(timeout_s > 0 ? std::make_unique<Impl>(timeout_s, rank) : nullptr) {}

Watchdog::~Watchdog() = default;

void Watchdog::kick(const std::string& activity) {
  set_activity(activity);
  if (impl_ == nullptr) return;
  const std::lock_guard lock(impl_->mutex);
  impl_->activity = activity;
  impl_->deadline = impl_->next_deadline();
}

}  // namespace harmofl
