// SPDX-License-Identifier: Apache-2.0
/// Networks: images in, logits out. A network is one file; the table of them is in network.cpp.
#pragma once

#include "harmofl/model/network_options.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>

namespace harmofl {

/// A network. Module names follow PyTorch's state_dict conventions.
class Network : public torch::nn::Module {
 public:
  /// Maps float32 images [B, C, H, W] to logits: [B, classes] or [B, classes, H, W]. Where
  /// `features` is given, it becomes what the network knows of each image: float32 [B, F].
  virtual torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features = nullptr) = 0;

  /// F of the features.
  virtual std::int64_t feature_count() const = 0;

  /// Whether it has features at all.
  virtual bool has_features() const { return true; }
};

/// Throws UserError unless the shards hold labels of images of `min_side` pixels at least; `name`
/// is that of a network which needs that.
void require_labels(const std::string& name, const ProblemShape& shape, std::int64_t min_side);

/// Whether a network of these options has one output for two classes.
bool has_one_output(const NetworkOptions& options, const ProblemShape& shape);

/// Makes the network `options.name` with PyTorch's default initialisation drawn from `seed`.
/// Throws UsageError for an unknown name and UserError when the shape does not suit the network.
std::shared_ptr<Network> make_network(const NetworkOptions& options, const ProblemShape& shape,
                                      std::uint64_t seed);

}  // namespace harmofl
