// SPDX-License-Identifier: Apache-2.0
/// How the programs that sum over ranks are timed, and what they print.
#pragma once

#include "comm/communicator.hpp"
#include "harmofl/base/error.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace harmofl::bench {

/// Seconds of two ways to the same sum, taken in turn.
struct Timings {
  std::vector<double> ours, bare;
};

/// Seconds of `sum`, begun together, on the slowest rank.
template <class Sum>
double timed(const Communicator& comm, const Sum& sum) {
  comm.barrier();
  const auto start = std::chrono::steady_clock::now();
  sum();
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  comm.all_reduce_max(std::span(&seconds, 1));
  return seconds;
}

inline std::string list(const std::vector<double>& seconds) {
  std::string text;
  for (const double value : seconds) {
    text += concat(text.empty() ? "" : ", ", std::to_string(value));
  }
  return concat("[", text, "]");
}

inline std::string entry(std::string_view kind, std::int64_t bytes, const Timings& found) {
  return concat("\"", kind, "\": {\"bytes\": ", bytes, ", \"ours_s\": ", list(found.ours),
                ", \"bare_s\": ", list(found.bare), "}");
}

/// One JSON object: the transport, and the sums of `values` float32 and int64.
inline void print(std::string_view transport, std::int64_t values, const Timings& fast,
                  const Timings& exact) {
  std::printf("{\"transport\": \"%s\", %s, %s}\n", std::string(transport).c_str(),
              entry("fast", values * 4, fast).c_str(), entry("exact", values * 8, exact).c_str());
}

}  // namespace harmofl::bench
