// SPDX-License-Identifier: Apache-2.0
/// How far the steady clock of a rank is ahead of the root's, which on another host began at
/// another time.
#pragma once

#include "comm/communicator.hpp"

#include <cstdint>
#include <vector>

namespace harmofl {

/// A message from the root to a rank and back, by their clocks, in nanoseconds.
struct ClockReading {
  std::int64_t sent_ns = 0;   ///< By the root's clock.
  std::int64_t there_ns = 0;  ///< By the rank's.
  std::int64_t back_ns = 0;   ///< By the root's.
};

struct ClockOffset {
  std::int64_t offset_ns = 0;  ///< The rank's clock minus the root's.
  std::int64_t within_ns = 0;  ///< The true offset is at most that far from it.
};

/// What readings tell: the shortest way there and back, of which any part may have been the way
/// there. Clocks that differ by no more than that are taken for one, as on one host they are.
ClockOffset clock_offset(const std::vector<ClockReading>& readings);

/// This rank's offset; of the root 0. Collective.
ClockOffset measure_clock_offset(const Communicator& comm);

}  // namespace harmofl
