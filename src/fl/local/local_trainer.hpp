// SPDX-License-Identifier: Apache-2.0
/// The local work of one client in one round.
#pragma once

#include "data/batches/batches.hpp"
#include "fl/local/optimizer.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/data/client_data.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/fl/named_state.hpp"
#include "model/device/recorder.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace harmofl {

/// Options of the local step; the same for every client.
struct LocalOptions {
  OptimizerOptions optimizer;
  LossKind loss = LossKind::cross_entropy_dice;
  PerturbationOptions perturbation;
  std::int64_t local_epochs = 1;
  BatchOptions batches;
  bool shuffle = true;
  bool measure = false;  ///< Also measures drift and gradient norm, at some cost.
  bool graphs = false;   ///< Records the gradient of the step on the GPU, and replays it.
};

/// Throws UserError, with the reason, where `options.graphs` asks to record a step that cannot be:
/// one to which the method adds something (no Algorithm::plain_gradient).
void check_graphs(const LocalOptions& options, bool plain_gradient);

/// All that a client may know of a round.
struct RoundContext {
  RoundId round;
  ClientId client;
  std::uint64_t seed = 0;
};

/// What a client returns beside its model.
struct ClientReport {
  double loss = 0.0;  ///< Mean over steps of the loss before each step, a method's term included.
  std::int64_t steps = 0;
  torch::Tensor extra;  ///< What the method sends beside the state.
  /// (1/tau) sum_k ||w_{i,k} - w_t||^2 over the weights after each step: the client's part of the
  /// drift Gamma (method.md, section 7). 0 unless measured.
  double drift = 0.0;
  torch::Tensor update;  ///< D_i = w_i - w_t of the parameters, [P]. Undefined unless measured.
  double gradient_norm = 0.0;  ///< Mean over steps of the norm of the gradient stepped with.
  double input_s = 0.0;        ///< Part of the time: choosing, cutting and augmenting batches.
};

/// Trains the model that it is given, in place, on one client's data.
class LocalTrainer {
 public:
  /// Runs the steps by `recorder`, or by the one that `options.graphs` asks for where it is null.
  /// Throws as `check_graphs`, and for graphs on the CPU.
  LocalTrainer(Model& model, Algorithm& algorithm, const LocalOptions& options,
               std::unique_ptr<Recorder> recorder = nullptr);

  /// Runs the local epochs from the model as it stands. `client` and `server` are what the method
  /// keeps with either; `start` is the model's state, where the caller holds it in a tensor of its
  /// own that stays as it is meanwhile, and is copied where it is undefined. Throws UserError when
  /// the client has no training samples.
  ClientReport train(const ClientData& data, const RoundContext& context, NamedState& client,
                     const NamedState& server, const torch::Tensor& start = {});

 private:
  ClientWork begin(NamedState& client, const NamedState& server, const torch::Tensor& start);
  void add_loss(const torch::Tensor& loss);
  StepBatch observe(const Batch& batch);
  torch::Tensor step(const Batch& batch, ClientWork& work);
  torch::Tensor take_step(const StepBatch& batch, ClientWork& work, const std::string& moments);
  torch::Tensor gradient(const torch::Tensor& images, const torch::Tensor& targets,
                         ClientWork& work);
  BatchStream open(const Samples& samples, const RoundContext& context, std::int64_t epoch);
  void measure(const ClientWork& work);

  Model& model_;
  Algorithm& algorithm_;
  LocalOptions options_;
  Optimizer optimizer_;
  std::unique_ptr<Recorder> recorder_;
  BatchBuffers buffers_;
  torch::Tensor state_;                  ///< The network's state, a view of the model's.
  torch::Tensor start_;                  ///< Its copy at the start of a client's work, or none.
  torch::Tensor delta_;                  ///< The perturbation, [P]; undefined where alpha is 0.
  torch::Tensor extra_;                  ///< Zeros, as many as the method sends; often none.
  torch::Tensor loss_sum_;               ///< Over the client's steps, a scalar.
  torch::Tensor drift_, gradient_norm_;  ///< Sums over steps, where measured.
};

}  // namespace harmofl
