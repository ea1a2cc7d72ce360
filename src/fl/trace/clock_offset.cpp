// SPDX-License-Identifier: Apache-2.0
#include "fl/trace/clock_offset.hpp"

#include "base/trace_recorder.hpp"

#include <algorithm>
#include <cstdlib>

namespace harmofl {
namespace {

using Times = std::vector<std::int64_t>;

constexpr Rank root{0};
constexpr int readings_a_rank = 16;  // the first waits for the rank; a busy one delays some others

/// On the root, and what `other` then knows too.
ClockOffset ask(Rank other, const Communicator& comm) {
  std::vector<ClockReading> readings;
  for (int i = 0; i < readings_a_rank; ++i) {
    ClockReading reading{.sent_ns = steady_ns()};
    comm.transfer(root, other, Times{reading.sent_ns});
    reading.there_ns = comm.transfer(other, root, Times{}).at(0);
    reading.back_ns = steady_ns();
    readings.push_back(reading);
  }
  const ClockOffset found = clock_offset(readings);
  comm.transfer(root, other, Times{found.offset_ns, found.within_ns});
  return found;
}

ClockOffset answer(const Communicator& comm) {
  for (int i = 0; i < readings_a_rank; ++i) {
    comm.transfer(root, comm.rank(), Times{});
    comm.transfer(comm.rank(), root, Times{steady_ns()});
  }
  const Times found = comm.transfer(root, comm.rank(), Times{});
  return {found.at(0), found.at(1)};
}

}  // namespace

ClockOffset clock_offset(const std::vector<ClockReading>& readings) {
  HARMOFL_EXPECT(!readings.empty());
  const auto way = [](const ClockReading& reading) { return reading.back_ns - reading.sent_ns; };
  const ClockReading& best = *std::ranges::min_element(readings, {}, way);
  const std::int64_t within_ns = (way(best) + 1) / 2;
  const std::int64_t offset_ns = best.there_ns - (best.sent_ns + way(best) / 2);
  return {std::abs(offset_ns) <= within_ns ? 0 : offset_ns, within_ns};
}

ClockOffset measure_clock_offset(const Communicator& comm) {
  if (!comm.is_root()) return answer(comm);
  for (std::int64_t rank = 1; rank < comm.size(); ++rank) ask(Rank(rank), comm);
  return {};
}

}  // namespace harmofl
