// SPDX-License-Identifier: Apache-2.0
#include "data/batches/sample_budget.hpp"

#include "harmofl/base/error.hpp"

#include <algorithm>

namespace harmofl {
namespace {

/// One part in so many of a rank's share is left alone. A guess.
constexpr std::int64_t unknown_part = 8;

}  // namespace

std::int64_t sample_budget(const GpuRoom& room) {
  HARMOFL_EXPECT(room.ranks > 0 && room.lanes > 0);
  const std::int64_t share = room.free_bytes / room.ranks;
  const std::int64_t needed = room.lanes * room.step_bytes + room.kept_bytes + share / unknown_part;
  return std::max<std::int64_t>(0, share - needed);
}

std::shared_ptr<const void> SampleBudget::take(std::int64_t bytes) {
  HARMOFL_EXPECT(bytes >= 0);
  std::int64_t left = left_->load();
  do {
    if (bytes > left) return nullptr;
  } while (!left_->compare_exchange_weak(left, left - bytes));
  return {left_.get(), [counter = left_, bytes](const void*) { counter->fetch_add(bytes); }};
}

}  // namespace harmofl
