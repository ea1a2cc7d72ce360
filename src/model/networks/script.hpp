// SPDX-License-Identifier: Apache-2.0
/// A network of the user's own, written in Python and saved by TorchScript
/// (docs/adr/0020-networks-of-ones-own.md).
#pragma once

#include "harmofl/model/network.hpp"

#include <cstdint>
#include <memory>
#include <string>

namespace harmofl {

/// The module of a TorchScript archive. Its parameters and buffers have the names of its state_dict
/// and share their memory with the script's, so that all that holds for networks holds for it.
///
/// Submodules whose class is called ...Norm... are normalisation layers. `num_batches_tracked`
/// becomes a float32 scalar, as everywhere here; parameters that take no gradient become buffers.
/// The script runs as it is written, without TorchScript's optimiser, whose choices depend on
/// earlier calls.
class ScriptNetwork final : public Network {
 public:
  /// Throws UserError, naming the file, unless it is an archive of float32 parameters whose
  /// `forward` makes logits of images of this shape, in training and in evaluation.
  ScriptNetwork(const ScriptFile& file, const ProblemShape& shape);
  ~ScriptNetwork() override;

  /// Features: the second result of the script's method `forward_features`.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  bool has_features() const override { return feature_count_ > 0; }
  /// Throws UserError where the script has no method `forward_features`.
  std::int64_t feature_count() const override;

  void train(bool on) override;

 private:
  struct Impl;

  std::string name_;
  std::unique_ptr<Impl> impl_;
  std::int64_t feature_count_ = 0;
};

/// The archive of `file` without its weights: what is needed to run it with others. Throws
/// UserError as ScriptNetwork.
std::string without_weights(const ScriptFile& file);

/// For people: parameters, buffers, classes of modules, and what it makes of some images.
std::string describe_script(const ScriptFile& file);

}  // namespace harmofl
