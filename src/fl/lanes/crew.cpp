// SPDX-License-Identifier: Apache-2.0
#include "fl/lanes/crew.hpp"

#include "base/range.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

namespace harmofl {

struct Crew::Impl {
  std::mutex mutex;
  std::condition_variable begun, ended;
  const std::function<void(std::int64_t)>* work = nullptr;  ///< Work of the present call.
  std::int64_t calls = 0;                                   ///< Calls of `run` until now.
  std::int64_t lanes = 0;                                   ///< Lanes of the present call.
  std::int64_t working = 0;                                 ///< Threads that are not done with it.
  bool leaving = false;
  std::vector<std::thread> threads;  ///< Thread i is lane i + 1.

  /// A thread that is started within call `call` has seen those before.
  void serve(std::int64_t lane, std::int64_t seen) {
    set_thread_role({"lane", lane});
    std::unique_lock lock(mutex);
    while (true) {
      begun.wait(lock, [&] { return leaving || (calls > seen && lane < lanes); });
      if (leaving) return;
      seen = calls;
      const auto& present = *work;
      lock.unlock();
      present(lane);
      lock.lock();
      if (--working == 0) ended.notify_one();
    }
  }
};

Crew::Crew() : impl_(std::make_unique<Impl>()) {}

Crew::~Crew() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->leaving = true;
  }
  impl_->begun.notify_all();
  for (std::thread& thread : impl_->threads) thread.join();
}

void Crew::run(std::int64_t lanes, const std::function<void(std::int64_t lane)>& work) {
  if (lanes > 1) {
    const std::lock_guard lock(impl_->mutex);
    while (std::ssize(impl_->threads) < lanes - 1) {
      const std::int64_t lane = std::ssize(impl_->threads) + 1;
      impl_->threads.emplace_back([this, lane, seen = impl_->calls] { impl_->serve(lane, seen); });
    }
    impl_->work = &work;
    impl_->lanes = lanes;
    impl_->working = lanes - 1;
    ++impl_->calls;
  }
  if (lanes > 1) impl_->begun.notify_all();
  work(0);
  if (lanes == 1) return;
  const Range range("wait for lanes");
  std::unique_lock lock(impl_->mutex);
  impl_->ended.wait(lock, [&] { return impl_->working == 0; });
  impl_->lanes = 0;
}

}  // namespace harmofl
