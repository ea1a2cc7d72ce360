// SPDX-License-Identifier: Apache-2.0
// Results in order: the first item that is not taken in was begun before all others that are not,
// so its lane works or takes it in, and never waits. Hence whoever waits is woken.
#include "fl/lanes/share_out.hpp"

#include "base/range.hpp"
#include "harmofl/base/error.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <numeric>
#include <set>

namespace harmofl {
namespace {

class Shares {
 public:
  Shares(const std::vector<std::size_t>& order, TakenIn taken_in, std::int64_t lanes,
         const SharedWork& work)
      : order_(order), taken_in_(taken_in), most_aside_(lanes), work_(work) {}

  /// Does items until none is left, or one has failed.
  void take_part(std::int64_t lane) {
    std::unique_lock lock(mutex_);
    std::shared_ptr<void> held;
    if (!guarded(order_.size(), [&] { held = work_.enter(lane); })) return;
    while (begun_ < order_.size() && !error_) {
      const std::size_t item = order_[begun_++];
      if (!guarded(item, [&] { work_.begin(item); })) return;
      lock.unlock();
      std::exception_ptr problem;
      try {
        work_.work(lane, item);
      } catch (...) {
        problem = std::current_exception();
      }
      lock.lock();
      if (problem) return fail(item, problem);
      hand_over(item, lock);
    }
  }

  void throw_error() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  void hand_over(std::size_t item, std::unique_lock<std::mutex>& lock) {
    if (taken_in_ == TakenIn::as_they_come) {
      if (!error_) take_in(item);
      return;
    }
    wait_for_turn(item, lock);
    if (error_) return;
    if (item != order_[taken_]) {
      if (guarded(item, [&] { work_.set_aside(item); })) aside_.insert(item);
      return;
    }
    do {
      take_in(order_[taken_++]);
    } while (!error_ && taken_ < order_.size() && aside_.erase(order_[taken_]) > 0);
    turn_.notify_all();
  }

  void wait_for_turn(std::size_t item, std::unique_lock<std::mutex>& lock) {
    const auto free = [&] {
      return error_ || item == order_[taken_] || std::ssize(aside_) < most_aside_;
    };
    if (free()) return;
    const Range range("wait for turn");
    turn_.wait(lock, free);
  }

  void take_in(std::size_t item) {
    guarded(item, [&] { work_.end(item); });
  }

  template <class Part>
  bool guarded(std::size_t item, const Part& part) {
    try {
      part();
      return true;
    } catch (...) {
      fail(item, std::current_exception());
      return false;
    }
  }

  void fail(std::size_t item, const std::exception_ptr& error) {
    if (error_ && item > failed_) return;
    error_ = error;
    failed_ = item;
    turn_.notify_all();
  }

  const std::vector<std::size_t>& order_;
  const TakenIn taken_in_;
  const std::int64_t most_aside_;
  const SharedWork& work_;
  std::mutex mutex_;  ///< Of what follows, and of all but `work`.
  std::condition_variable turn_;
  std::size_t begun_ = 0;        ///< Items that a lane has taken.
  std::size_t taken_ = 0;        ///< Items that are taken in, where that is by order.
  std::set<std::size_t> aside_;  ///< Items that are done and wait for their turn.
  std::exception_ptr error_;     ///< Error of item `failed_`.
  std::size_t failed_ = 0;
};

}  // namespace

void share_out(Crew& crew, std::int64_t lanes, const std::vector<std::size_t>& order,
               TakenIn taken_in, const SharedWork& work) {
  HARMOFL_EXPECT(lanes >= 1);
  HARMOFL_EXPECT(taken_in == TakenIn::as_they_come || std::ranges::is_sorted(order));
  Shares shares(order, taken_in, lanes, work);
  crew.run(lanes, [&](std::int64_t lane) { shares.take_part(lane); });
  shares.throw_error();
}

std::vector<std::size_t> order_of(const std::vector<double>& sizes, TakenIn taken_in) {
  std::vector<std::size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (taken_in == TakenIn::in_order) return order;
  std::ranges::stable_sort(order, std::greater(), [&](std::size_t item) { return sizes[item]; });
  return order;
}

}  // namespace harmofl
