// SPDX-License-Identifier: Apache-2.0
/// Threads of a rank that work at the same time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace harmofl {

/// The calling thread is lane 0. Further lanes have a thread each, started when it is first needed
/// and kept from then on: libraries hold buffers and teams of threads for each thread.
class Crew {
 public:
  Crew();
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// Calls `work(lane)` for the lanes 0 to `lanes` - 1, at the same time, and returns when all of
  /// them have. `work` must not throw.
  void run(std::int64_t lanes, const std::function<void(std::int64_t lane)>& work);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace harmofl
