// SPDX-License-Identifier: Apache-2.0
/// The local work of one client in one round.
#pragma once

#include "data/batches/batches.hpp"
#include "fl/local/optimizer.hpp"
#include "fl/local/schedule.hpp"
#include "fl/local/weight_perturbation.hpp"
#include "harmofl/base/ids.hpp"
#include "harmofl/data/client_data.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "harmofl/fl/named_state.hpp"
#include "model/device/recorder.hpp"
#include "model/fingerprint.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace harmofl {

/// Where a client's steps over all rounds are counted, with `local_steps`: float32 [2], the number
/// as high 2^24 + low. Each part is exact in float32, and so is the number up to 2^48.
inline constexpr const char* steps_taken_name = "steps_taken";

/// Options of the local step; the same for every client.
struct LocalOptions {
  OptimizerOptions optimizer;
  ScheduleOptions schedule;  ///< Of the optimiser's learning rate.
  LossOptions loss;
  PerturbationOptions perturbation;
  std::int64_t local_epochs = 1;
  /// Steps of a round, on from the batch where the client's last one ended; 0: `local_epochs`
  /// count.
  std::int64_t local_steps = 0;
  /// Pieces of each batch whose gradients are averaged; above 1 they need `share_gradient`.
  std::int64_t pieces = 1;
  BatchOptions batches;
  bool shuffle = true;
  bool measure = false;       ///< Also measures drift and gradient norm, at some cost.
  bool graphs = false;        ///< Records the gradient of the step on the GPU, and replays it.
  bool fingerprints = false;  ///< Also hashes what is trained on and what comes of it.
};

/// Throws UserError, with the reason, where `options.graphs` asks to record a step that cannot be:
/// one to which the method adds something (no Algorithm::plain_gradient), or whose loss has class
/// weights, which come from host memory.
void check_graphs(const LocalOptions& options, bool plain_gradient);

/// All that a client may know of a round.
struct RoundContext {
  RoundId round;
  ClientId client;
  std::uint64_t seed = 0;
};

/// Sums of gradients over the pieces of a batch, which several ranks share out: all of them take
/// the same steps, each knows some of the pieces, and `sum` is the same on all.
struct SharedGradient {
  std::int64_t first = 0;  ///< This rank's pieces are `first`, `first + every`, ...
  std::int64_t every = 1;
  std::function<void()> begin;
  /// Adds a piece: its gradient and its loss, float32 [P + 1], times its share of the batch.
  std::function<void(const torch::Tensor& message, double share)> add;
  /// Of all ranks, float32 [P + 1]. Collective.
  std::function<torch::Tensor()> sum;
};

/// What a client returns beside its model.
struct ClientReport {
  double loss = 0.0;  ///< Mean over steps of the loss before each step, a method's term included.
  std::int64_t steps = 0;
  /// Gradients that these took: two where a step is perturbed, as many again where the method takes
  /// a step of its own after each (Ditto).
  std::int64_t gradients = 0;
  torch::Tensor extra;  ///< What the method sends beside the state.
  /// (1/tau) sum_k ||w_{i,k} - w_t||^2 over the weights after each step: the client's part of the
  /// drift Gamma (method.md, section 7). 0 unless measured.
  double drift = 0.0;
  torch::Tensor update;  ///< D_i = w_i - w_t of the parameters, [P]. Undefined unless measured.
  double gradient_norm = 0.0;  ///< Mean over steps of the norm of the gradient stepped with.
  double input_s = 0.0;        ///< Part of the time: choosing, cutting and augmenting batches.
  /// Fingerprint of the images and targets of all batches, in their order; "" unless asked for.
  std::string batches;
  double fingerprint_s = 0.0;  ///< Part of the time: hashing.
};

/// Trains the model that it is given, in place, on one client's data.
class LocalTrainer {
 public:
  /// Runs the steps by `recorder`, or by the one that `options.graphs` asks for where it is null.
  /// Throws as `check_graphs`, and for graphs on the CPU.
  LocalTrainer(Model& model, Algorithm& algorithm, const LocalOptions& options,
               std::unique_ptr<Recorder> recorder = nullptr);

  const LocalOptions& options() const { return options_; }

  /// Takes the gradient of each batch as the mean over `options.pieces` pieces of it, consecutive
  /// images each: every rank that takes part must then train the same client alike.
  void share_gradient(SharedGradient shared) { shared_ = std::move(shared); }

  /// Runs the local epochs, or steps, from the model as it stands. `client` and `server` are what
  /// the method keeps with either; `start` is the model's state, where the caller holds it in a
  /// tensor of its own that stays as it is meanwhile, and is copied where it is undefined. Throws
  /// UserError when the client has no training samples.
  ClientReport train(const ClientData& data, const RoundContext& context, NamedState& client,
                     const NamedState& server, const torch::Tensor& start = {});

 private:
  void train_epochs(const Samples& samples, const RoundContext& context, ClientWork& work,
                    ClientReport& report);
  void train_steps(const Samples& samples, const RoundContext& context, ClientWork& work,
                   ClientReport& report);
  ClientWork begin(NamedState& client, const NamedState& server, const torch::Tensor& start);
  void add_loss(const torch::Tensor& loss);
  void read_sums(const ClientWork& work, ClientReport& report);
  StepBatch observe(const Batch& batch);
  torch::Tensor step(const Batch& batch, ClientWork& work);
  torch::Tensor take_step(const StepBatch& batch, ClientWork& work, const std::string& moments);
  torch::Tensor gradient(const torch::Tensor& images, const torch::Tensor& targets,
                         ClientWork& work);
  torch::Tensor shared_gradient(const torch::Tensor& images, const torch::Tensor& targets,
                                ClientWork& work);
  BatchStream open(const Samples& samples, const RoundContext& context, std::int64_t epoch);
  void measure(const ClientWork& work);
  void hash(const Batch& batch);

  Model& model_;
  Algorithm& algorithm_;
  LocalOptions options_;
  Optimizer optimizer_;
  std::unique_ptr<Recorder> recorder_;
  std::optional<SharedGradient> shared_;
  torch::Tensor message_;  ///< A piece's gradient and loss, [P + 1], where shared.
  BatchBuffers buffers_;
  torch::Tensor state_;                  ///< The network's state, a view of the model's.
  torch::Tensor start_;                  ///< Its copy at the start of a client's work, or none.
  torch::Tensor delta_;                  ///< The perturbation, [P]; undefined where alpha is 0.
  torch::Tensor extra_;                  ///< Zeros, as many as the method sends; often none.
  torch::Tensor loss_sum_;               ///< Over the client's steps, a scalar.
  std::int64_t gradients_ = 0;           ///< Over the client's steps.
  torch::Tensor drift_, gradient_norm_;  ///< Sums over steps, where measured.
  std::unique_ptr<RunningFingerprint> batches_;  ///< Of the client's batches, where asked for.
  double hashing_s_ = 0.0;                       ///< Seconds that this took.
};

}  // namespace harmofl
