// SPDX-License-Identifier: Apache-2.0
/// The U-Net of the paper's segmentation tasks (method.md, section 4).
#pragma once

#include "harmofl/model/network.hpp"
#include "model/networks/norm.hpp"

#include <torch/nn/modules/conv.h>

#include <array>
#include <memory>
#include <string>

namespace harmofl {

/// Four levels of width, 2 width, 4 width, 8 width and a bottleneck of 16 width; per level twice
/// (3x3 convolution without bias, norm, ReLU); max-pool 2 down, transposed 2x2 convolution up,
/// skips by concatenation (upsampled first), a 1x1 head. Height and width are divisible by 16.
class UNet final : public Network {
 public:
  UNet(const NetworkOptions& options, const ProblemShape& shape);

  /// Features: the spatial mean of the bottleneck's output, F = 16 width.
  torch::Tensor forward(const torch::Tensor& images, torch::Tensor* features) override;
  std::int64_t feature_count() const override { return feature_count_; }

 private:
  static constexpr std::size_t levels = 4;

  /// Twice (convolution, norm, ReLU).
  struct Block : torch::nn::Module {
    Block(const std::string& prefix, std::int64_t in, std::int64_t out, NormKind kind);
    /// All but the last norm and ReLU.
    torch::Tensor features(const torch::Tensor& x);

    torch::nn::Conv2d conv1, conv2;
    std::shared_ptr<Norm> norm1, norm2;
  };

  /// What a level's decoder reads of its encoder.
  struct Level {
    torch::Tensor skip;  ///< The encoder's output.
    torch::Tensor
        whole;  ///< Tensor of which it is the second half, in channels-last memory of the CPU.
  };

  static torch::Tensor descend(Block& encoder, const torch::Tensor& x, Level& level);
  static torch::Tensor ascend(torch::nn::ConvTranspose2d& up, const torch::Tensor& x,
                              const Level& level);

  std::array<std::shared_ptr<Block>, levels> encoders_, decoders_;
  std::array<torch::nn::ConvTranspose2d, levels> ups_;
  std::shared_ptr<Block> bottleneck_;
  torch::nn::Conv2d head_{nullptr};
  std::int64_t feature_count_ = 0;
};

}  // namespace harmofl
