// SPDX-License-Identifier: Apache-2.0
/// Counter-based random numbers (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy
/// as 1, 2, 3", SC 2011).
///
/// A stream is a pure function of its key, so what a client draws does not depend on which rank
/// hosts it, how many ranks there are, or what was drawn before.
#pragma once

#include "harmofl/base/ids.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace harmofl {

/// What a stream is for. Numbers are part of the reproducibility promise: never renumber.
enum class RngPurpose : std::uint32_t {
  initial_model = 0,
  shuffle = 1,
  augmentation = 2,
  split = 3,
  synthesis = 4,
  selection = 5,
  direction = 6,
  cohort = 7,
  partition = 8,
  fleet = 9,
  layers = 10,
};

/// A stream of random numbers keyed by (seed, round, client, purpose).
class RngStream {
 public:
  using result_type = std::uint32_t;

  RngStream(std::uint64_t seed, RoundId round, ClientId client, RngPurpose purpose);

  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return 0xFFFFFFFFu; }

  /// Draws 32 uniform bits.
  result_type operator()();

  /// Draws a uniform double in [0, 1).
  double uniform();

  /// Draws a uniform double in [low, high).
  double uniform(double low, double high) { return low + (high - low) * uniform(); }

  /// Draws an integer in [0, bound), without bias. Expects bound > 0.
  std::uint32_t below(std::uint32_t bound);

  /// Draws a standard normal number (Box-Muller).
  double normal();

  /// Draws a permutation of 0..count-1 (Fisher-Yates).
  std::vector<std::int64_t> permutation(std::int64_t count);

 private:
  std::array<std::uint32_t, 4> counter_{};
  std::array<std::uint32_t, 2> key_{};
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

/// The bijection under the streams: encrypts `counter` with `key` in ten rounds.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// Mixes 64 bits (splitmix64's finaliser): turns related seeds into unrelated keys.
std::uint64_t mix64(std::uint64_t value);

}  // namespace harmofl
