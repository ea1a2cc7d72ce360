// SPDX-License-Identifier: Apache-2.0
/// What is trained: amplitude normalisation, a network, and both their state in one buffer.
#pragma once

#include "harmofl/model/network_options.hpp"
#include "harmofl/model/parameter_vector.hpp"
#include "kernels/choice.hpp"
#include "model/amplitude/amplitude_normalization.hpp"
#include "model/device/precision.hpp"

#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

class Network;
class Projection;

struct ModelOptions {
  NetworkOptions network;
  AmplitudeOptions amplitude;
  /// Keeps images as [B, H, W, C] in memory, which is what the kernels for the CPU work on
  /// (docs/adr/0015-kernels-of-our-own.md); with group norms libtorch is half as fast then.
  bool channels_last = false;
  /// Whose operations the amplitude layer, the network and the loss are, on the CPU. GPUs have
  /// libtorch's alone, whatever this says.
  Kernels kernels = Kernels::own;
  /// Of forward and backward passes, in training and evaluation.
  Precision precision = Precision::fp32;
};

/// What a rank that trains needs at least for a network's values, in bytes: the model, its gradient
/// and the global model, float32. Makes three small networks, whatever the width.
double model_memory_bytes(const NetworkOptions& options, const ProblemShape& shape);

/// Throws UserError, with both figures, when that is more than the machine has. A network as wide
/// as by default is let pass.
void check_model_memory(const NetworkOptions& options, const ProblemShape& shape);

/// A model on one device.
class Model {
 public:
  /// Makes the network that the options name, with weights drawn from `seed`. Throws UserError for
  /// a precision that the device does not have, and for a width that `check_model_memory` refuses.
  Model(const ModelOptions& options, const ProblemShape& shape, std::uint64_t seed,
        torch::Device device);
  /// Takes a network that is there; of the options, all but those of the network.
  Model(std::shared_ptr<Network> network, const ModelOptions& options, const ProblemShape& shape,
        torch::Device device);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Logits, float32, of images [B, C, H, W] that have been through `amplitude()`. Where `features`
  /// is given, it becomes the features of each image, float32 [B, F]: the network's pooled ones, or
  /// what the projection head makes of them.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features = nullptr);

  /// Whether its network has features.
  bool has_features() const;

  /// Features of `images` at another state of the network, float32 [network_count()], without
  /// gradient. The model's own state is as before afterwards, to the bit.
  torch::Tensor features_at(const torch::Tensor& state, const torch::Tensor& images);

  /// Batch statistics and gradients in training; running statistics in evaluation.
  void set_training(bool training);

  /// The momentum of the running statistics of all norms; `reset_statistics` sets them to those of
  /// a new network (mean 0, variance 1).
  void set_statistics_momentum(double momentum);
  void reset_statistics();

  AmplitudeNormalization& amplitude() { return amplitude_; }
  const AmplitudeNormalization& amplitude() const { return amplitude_; }
  ParameterVector& state() { return *state_; }
  const ParameterVector& state() const { return *state_; }
  torch::Device device() const { return device_; }
  /// Whose operations compute it, and are to compute the loss of its logits.
  Kernels kernels() const { return kernels_; }
  Precision precision() const { return precision_; }
  /// How `forward` wants its images to lie in memory; it brings others into that form.
  torch::MemoryFormat memory_format() const {
    return channels_last_ ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
  }

  /// Number of trained parameters.
  std::int64_t parameter_count() const { return state_->parameters().numel(); }

  /// Makes `tensors` the network's state. A running amplitude among them is left out: the first
  /// round gathers it anew. Throws UserError, naming `source`, unless they are those of the
  /// network.
  void import_weights(std::vector<NamedTensor> tensors, const std::string& source);

  /// The first elements of `state()` that are the network's: all but the running amplitude.
  std::int64_t network_count() const;

  /// The first elements of `state()` that a round has to aggregate: all of it until the running
  /// amplitude, which comes last, is frozen.
  std::int64_t aggregated_count() const;

 private:
  torch::Device device_;
  bool channels_last_;
  Kernels kernels_;
  Precision precision_;
  bool one_output_;  ///< The network's output is z, and the logits are [0, z].
  AmplitudeNormalization amplitude_;
  std::shared_ptr<Network> network_;
  std::shared_ptr<Projection> projection_;  ///< Null without a projection head.
  std::unique_ptr<ParameterVector> state_;
};

}  // namespace harmofl
