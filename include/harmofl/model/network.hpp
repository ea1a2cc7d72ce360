/// Networks: images in, logits out. A network is one file; the table of them is in network.cpp.
#pragma once

#include "harmofl/model/network_options.hpp"

#include <torch/nn/module.h>
#include <torch/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace harmofl {

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
