// SPDX-License-Identifier: Apache-2.0
/// A run on all ranks of a test against the same run on one rank without MPI.
#pragma once

#include "fl/small_federation.hpp"
#include "model/tensors.hpp"
#include "support/world.hpp"

#include <gmock/gmock.h>

#include <string>

namespace harmofl::test {

inline std::string bytes_of(const torch::Tensor& state) {
  return {static_cast<const char*>(state.const_data_ptr()), state.nbytes()};
}

/// The run on one rank without MPI: the root does it and tells the others the model.
inline Ending serial_ending(const SimulationOptions& options, const SmallFederation& small) {
  Ending ending;
  if (world().is_root()) ending = run_serially(options, small);
  std::string bytes = world().is_root() ? bytes_of(ending.state) : "";
  world().broadcast(bytes);
  const auto count = static_cast<std::int64_t>(bytes.size() / sizeof(float));
  ending.state = torch::from_blob(bytes.data(), {count}).clone();
  return ending;
}

/// Expects the same model on every rank, and the same scores on the root.
inline void expect_same(const Ending& parallel, const Ending& serial) {
  EXPECT_TRUE(same_bits(parallel.state, serial.state));
  if (world().is_root()) {
    EXPECT_TRUE(same_scores(parallel.scores, serial.scores));
    EXPECT_FALSE(serial.scores.empty());
  } else {
    EXPECT_TRUE(parallel.scores.empty());
  }
}

}  // namespace harmofl::test
