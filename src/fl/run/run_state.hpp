// SPDX-License-Identifier: Apache-2.0
/// What a run is between two rounds: all that a checkpoint keeps beside the clients' own state.
#pragma once

#include "base/timer.hpp"
#include "fl/clients/site_data.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/fl/named_state.hpp"
#include "model/model.hpp"

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace harmofl {

struct RunState {
  /// Before the first round: the model with weights drawn from `seed`.
  RunState(const ModelOptions& options, const ProblemShape& shape, std::uint64_t seed,
           torch::Device device, std::unique_ptr<Algorithm> method)
      : model(options, shape, seed, device),
        global(model.state().state().clone()),
        algorithm(std::move(method)) {}

  Model model;                           ///< The working copy: local models, then the global one.
  torch::Tensor global;                  ///< State of the global model w_t, float32 [N].
  std::unique_ptr<Algorithm> algorithm;  ///< The method.
  NamedState server;            ///< What the method keeps at the server; the same on every rank.
  RoundId round;                ///< The next round, and so how many are done.
  PhaseTimes times;             ///< Seconds of this rank by phase, over all rounds.
  std::int64_t sent_bytes = 0;  ///< By a client that took part in every round: its messages.
  std::vector<AcceptedChange> accepted_changes;  ///< Of the data, oldest first. On the root alone.
};

}  // namespace harmofl
