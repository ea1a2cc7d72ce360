// SPDX-License-Identifier: Apache-2.0
/// The models of a run on val and test samples.
#pragma once

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/run/run_state.hpp"

#include <cstdint>
#include <map>
#include <vector>

namespace harmofl {

/// Measures the global model, or the model that each client is evaluated with, on this rank's share
/// of the sites or clients. Owns the samples of the sites; those of clients are where they are
/// hosted.
class RunEvaluation {
 public:
  /// Loads the val and test samples of this rank's sites by `load`, where models are measured by
  /// site. `federation` must outlive this object. Collective.
  RunEvaluation(const Communicator& comm, const Federation& federation,
                const Hosting::ClientLoader& load, LossKind loss, std::int64_t batch_size);

  /// This rank's scores. Leaves the global model in `state.model`.
  std::vector<Score> scores(RunState& state, Hosting& hosting, Watchdog& watchdog) const;

 private:
  std::vector<Score> scores_on(Model& model, ClientId measured, const ClientData& data) const;

  const Federation& federation_;
  LossKind loss_;
  std::int64_t batch_size_;
  std::map<ClientId, ClientData> sites_;  ///< Those that this rank measures on, where by site.
};

}  // namespace harmofl
