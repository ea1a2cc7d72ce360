/// Networks: images in, logits out. A network is one file; the table of them is in network.cpp.
#pragma once

#include "harmofl/io/shard.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

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
};

struct NetworkOptions {
  std::string name = "unet";
  std::int64_t width = 32;  ///< Channels of the first level.
  NormKind norm = NormKind::batch_stateless;
};

/// A network. Module names follow PyTorch's state_dict conventions.
class Network : public torch::nn::Module {
 public:
  /// Maps float32 images [B, C, H, W] to logits: [B, classes] or [B, classes, H, W].
  virtual torch::Tensor forward(const torch::Tensor& images) = 0;
};

/// Makes the network `options.name` with PyTorch's default initialisation drawn from `seed`.
/// Throws UsageError for an unknown name and UserError when the shape does not suit the network.
std::shared_ptr<Network> make_network(const NetworkOptions& options, const ProblemShape& shape,
                                      std::uint64_t seed);

/// Names of all networks.
std::vector<std::string> network_names();

}  // namespace harmofl
