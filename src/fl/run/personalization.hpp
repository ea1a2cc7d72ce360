// SPDX-License-Identifier: Apache-2.0
/// Fine-tuning of the final model at each client, `personalize.epochs`.
#pragma once

#include "comm/communicator.hpp"
#include "comm/watchdog.hpp"
#include "fl/clients/federation.hpp"
#include "fl/clients/hosting.hpp"
#include "fl/lanes/lanes.hpp"
#include "fl/local/evaluation.hpp"
#include "fl/local/local_trainer.hpp"
#include "fl/run/run_evaluation.hpp"
#include "fl/run/run_state.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace harmofl {

struct PersonalizationOptions {
  std::int64_t epochs = 0;  ///< Passes over its data that each client makes; 0 is none.
  double lr = 0.0;          ///< Learning rate; 0: that of the training, without its schedule.
};

/// Scores on val and test of every client's own copy of the model. On the root alone.
struct Personalized {
  std::vector<Score> before, after;
};

/// The local options of fine-tuning: those of the run without perturbation, schedule and
/// truncation, so that what is left is the plain base optimiser on all of a client's samples.
LocalOptions tuning_options(LocalOptions local, const PersonalizationOptions& options);

/// Gives each client a copy of the model that it is evaluated with, trains it by
/// `tuning_options(local, ...)` from fresh moments with no method's term, and measures it before
/// and after on the client's own val and test samples. Keeps nothing of it: the global model and
/// what clients keep stay as they are. The same numbers on any number of ranks and lanes. Nothing
/// when any rank was interrupted. Throws RankFailure for a copy that becomes NaN or infinite.
/// Collective.
std::optional<Personalized> personalize_clients(
    RunState& state, Hosting& hosting, Lanes& lanes, const RunEvaluation& evaluation,
    const Federation& federation, const LocalOptions& local, const PersonalizationOptions& options,
    std::uint64_t seed, const Communicator& comm, Watchdog& watchdog);

/// {"val": {"before": summary_table, "after": ...}, "test": ...}.
nlohmann::json to_json(const Personalized& personalized, const Federation& federation,
                       const MeasureOptions& measures);

/// A line a client, split and measure: site,split,measure,before,after.
std::string personalized_csv(const Personalized& personalized, const Federation& federation);

}  // namespace harmofl
