// SPDX-License-Identifier: Apache-2.0
/// What a network is made for and how: options only, free of libtorch.
#pragma once

#include "harmofl/io/shard.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

/// What the networks of a federation take and give.
struct ProblemShape {
  Task task = Task::segmentation;
  std::int64_t classes = 2;
  std::int64_t channels = 3;
  std::int64_t height = 0;  ///< Pixels.
  std::int64_t width = 0;   ///< Pixels.
};

/// Normalisation layers, `model.norm` (method.md, section 4).
enum class NormKind {
  batch_stateless,  ///< Batch statistics in training and evaluation, no affine: the authors'.
  batch,            ///< Affine, running statistics.
  group,            ///< Group normalisation, affine.
  own,              ///< Those of a script.
};

/// A network of the user's own, `model.script`: a TorchScript archive.
struct ScriptFile {
  std::string name;   ///< Name of the file, for messages.
  std::string bytes;  ///< All that the file holds.
};

struct NetworkOptions {
  std::string name = "unet";
  /// Channels of the first level; of densenet121 its growth rate, of mlp the hidden values.
  std::int64_t width = 32;
  NormKind norm = NormKind::batch_stateless;
  bool projection = false;  ///< Adds a projection head F-F-256 behind the features.
  /// Two classes share one output z: the logits are [0, z], whose softmax is the sigmoid of z.
  bool one_output = false;
  std::shared_ptr<const ScriptFile> script = {};  ///< Null: the network called `name`.
};

/// What a network takes where the configuration leaves it open.
struct NetworkDefaults {
  std::string name;
  std::int64_t width;
  std::string norm;  ///< Name of the norm, a value of `model.norm`.
};

/// The defaults of every network, in the order of their names.
std::vector<NetworkDefaults> network_defaults();

/// The defaults of the network called `name`. Throws UsageError listing the known ones.
NetworkDefaults find_network_defaults(const std::string& name);

}  // namespace harmofl
