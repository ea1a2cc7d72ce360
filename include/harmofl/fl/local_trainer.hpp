/// The local work of one client in one round.
#pragma once

#include "harmofl/base/ids.hpp"
#include "harmofl/data/batches.hpp"
#include "harmofl/data/client_data.hpp"
#include "harmofl/fl/client_state.hpp"
#include "harmofl/fl/harmofl.hpp"
#include "harmofl/fl/optimizer.hpp"
#include "harmofl/model/losses.hpp"
#include "harmofl/model/model.hpp"

#include <cstdint>

namespace harmofl {

/// Options of the local step; the same for every client.
struct LocalOptions {
  OptimizerOptions optimizer;
  LossKind loss = LossKind::cross_entropy_dice;
  double alpha = 0.0;  ///< Length of the weight perturbation; 0 is off.
  std::int64_t local_epochs = 1;
  BatchOptions batches;
  bool shuffle = true;
};

/// All that a client may know of a round.
struct RoundContext {
  RoundId round;
  ClientId client;
  std::uint64_t seed = 0;
};

/// What a client returns beside its model.
struct ClientReport {
  double loss = 0.0;  ///< Mean over steps of the loss before each step.
  std::int64_t steps = 0;
};

/// Trains the model that it is given, in place, on one client's data.
class LocalTrainer {
 public:
  LocalTrainer(Model& model, const LocalOptions& options);

  /// Runs the local epochs from the model as it stands. Throws UserError when the client has no
  /// training samples.
  ClientReport train(const ClientData& data, ClientState& state, const RoundContext& context);

 private:
  torch::Tensor step(const Batch& batch, ClientState& state);
  BatchStream open(const Samples& samples, const RoundContext& context, std::int64_t epoch) const;

  Model& model_;
  LocalOptions options_;
  Optimizer optimizer_;
  WeightPerturbation perturbation_;
};

}  // namespace harmofl
