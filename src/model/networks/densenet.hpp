// SPDX-License-Identifier: Apache-2.0
/// DenseNet (Huang et al., "Densely connected convolutional networks", CVPR 2017; method.md,
/// section 4).
#pragma once

#include "harmofl/model/network.hpp"
#include "model/networks/norm.hpp"

#include <torch/nn/modules/conv.h>
#include <torch/nn/modules/linear.h>

#include <cstdint>
#include <memory>
#include <vector>

namespace harmofl {

struct DenseNetOptions {
  std::int64_t growth = 32;                         ///< Channels that every dense layer adds.
  std::vector<std::int64_t> blocks{6, 12, 24, 16};  ///< Layers of each dense block.
  std::int64_t first_channels = 64;                 ///< Channels of the 7x7 convolution.
  std::int64_t bottleneck = 4;  ///< Channels of a layer's 1x1 convolution, in units of `growth`.
  bool padded = true;           ///< The authors' zero padding of 2 after the first dense block.
  NormKind norm = NormKind::batch_stateless;
};

/// 7x7 convolution of stride 2, norm, ReLU, max-pool; dense blocks with transitions (norm, ReLU,
/// 1x1 convolution to half the channels, average-pool 2) between them; norm, ReLU, global average,
/// linear. Module names are torchvision's. Convolutions start Kaiming-normal, the linear bias at 0.
class DenseNet final : public Network {
 public:
  DenseNet(const DenseNetOptions& options, const ProblemShape& shape);

  /// Features: the pooled output of the last norm.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return classifier_->options.in_features(); }

 private:
  /// Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution.
  struct Layer : torch::nn::Module {
    Layer(std::int64_t in, const DenseNetOptions& options);
    torch::Tensor forward(const torch::Tensor& x);

    std::shared_ptr<Norm> norm1, norm2;
    torch::nn::Conv2d conv1, conv2;
  };
  /// Norm and ReLU, which `normalised_block` applies; 1x1 convolution, average-pool.
  struct Transition : torch::nn::Module {
    Transition(std::int64_t in, NormKind kind);
    torch::Tensor forward(const torch::Tensor& normalised);

    std::shared_ptr<Norm> norm;
    torch::nn::Conv2d conv;
  };

  void initialise();

  /// Dense block `b` and the norm and ReLU behind it, which for stateless norms in channels-last
  /// memory on the CPU are one (dense_block.hpp).
  torch::Tensor normalised_block(std::size_t b, torch::Tensor x);

  bool padded_;
  NormKind norm_;
  torch::nn::Conv2d stem_{nullptr};
  std::shared_ptr<Norm> stem_norm_, last_norm_;
  std::vector<std::vector<std::shared_ptr<Layer>>> blocks_;
  std::vector<std::shared_ptr<Transition>> transitions_;
  torch::nn::Linear classifier_{nullptr};
};

/// DenseNet-121 as the authors of HarmoFL published it, and without their padding. `width` is the
/// growth rate; the first convolution has twice as many channels.
std::shared_ptr<Network> make_densenet121(const NetworkOptions& options, const ProblemShape& shape);
std::shared_ptr<Network> make_densenet121_plain(const NetworkOptions& options,
                                                const ProblemShape& shape);

}  // namespace harmofl
