// SPDX-License-Identifier: Apache-2.0
#include "model/networks/densenet.hpp"

#include "harmofl/base/text.hpp"
#include "kernels/norm/dense_block.hpp"
#include "kernels/rows.hpp"

#include <torch/nn/init.h>

namespace harmofl {
namespace {

constexpr std::int64_t densenet_min_side = 32;  // below, the last block would have no pixel
constexpr std::int64_t authors_padding = 2;

torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t side) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, side).padding(side / 2).bias(false));
}

DenseNetOptions densenet121(const NetworkOptions& options, bool padded) {
  DenseNetOptions densenet;
  densenet.growth = options.width;
  densenet.first_channels = 2 * options.width;
  densenet.padded = padded;
  densenet.norm = options.norm;
  return densenet;
}

}  // namespace

DenseNet::Layer::Layer(std::int64_t in, const DenseNetOptions& options)
    : conv1(conv(in, options.bottleneck * options.growth, 1)),
      conv2(conv(options.bottleneck * options.growth, options.growth, 3)) {
  norm1 = register_module("norm1", std::make_shared<Norm>(options.norm, in));
  register_module("conv1", conv1);
  norm2 = register_module(
      "norm2", std::make_shared<Norm>(options.norm, options.bottleneck * options.growth));
  register_module("conv2", conv2);
}

torch::Tensor DenseNet::Layer::forward(const torch::Tensor& x) {
  return conv2(norm2->forward_relu(conv1(norm1->forward_relu(x))));
}

DenseNet::Transition::Transition(std::int64_t in, NormKind kind)
    : conv(harmofl::conv(in, in / 2, 1)) {
  norm = register_module("norm", std::make_shared<Norm>(kind, in));
  register_module("conv", conv);
}

// The average of a linear map is that of the averages: pooled first, a quarter is left to convolve.
torch::Tensor DenseNet::Transition::forward(const torch::Tensor& normalised) {
  return conv(at::avg_pool2d(normalised, 2));
}

DenseNet::DenseNet(const DenseNetOptions& options, const ProblemShape& shape)
    : padded_(options.padded), norm_(options.norm) {
  require_labels("densenet121", shape, densenet_min_side);
  const auto features = register_module("features", std::make_shared<torch::nn::Module>());
  std::int64_t channels = options.first_channels;
  stem_ = features->register_module(
      "conv0",
      torch::nn::Conv2d(
          torch::nn::Conv2dOptions(shape.channels, channels, 7).stride(2).padding(3).bias(false)));
  stem_norm_ = features->register_module("norm0", std::make_shared<Norm>(options.norm, channels));
  for (std::size_t b = 0; b < options.blocks.size(); ++b) {
    const auto block = features->register_module(concat("denseblock", b + 1),
                                                 std::make_shared<torch::nn::Module>());
    blocks_.emplace_back();
    for (std::int64_t layer = 0; layer < options.blocks[b]; ++layer) {
      blocks_.back().push_back(block->register_module(concat("denselayer", layer + 1),
                                                      std::make_shared<Layer>(channels, options)));
      channels += options.growth;
    }
    if (b + 1 == options.blocks.size()) break;
    transitions_.push_back(features->register_module(
        concat("transition", b + 1), std::make_shared<Transition>(channels, options.norm)));
    channels /= 2;
  }
  last_norm_ = features->register_module("norm5", std::make_shared<Norm>(options.norm, channels));
  classifier_ = register_module("classifier", torch::nn::Linear(channels, shape.classes));
  initialise();
}

void DenseNet::initialise() {
  for (const auto& item : named_parameters()) {
    if (item.value().dim() == 4) torch::nn::init::kaiming_normal_(item.value());
  }
  torch::nn::init::zeros_(classifier_->bias);
}

torch::Tensor DenseNet::normalised_block(std::size_t b, torch::Tensor x) {
  Norm& after = b < transitions_.size() ? *transitions_[b]->norm : *last_norm_;
  const bool padded = b == 0 && padded_;
  if (norm_ == NormKind::batch_stateless && fits_row_kernels(x)) {
    std::vector<DenseLayerWeights> weights;
    for (const auto& layer : blocks_[b]) {
      weights.push_back({layer->conv1->weight, layer->conv2->weight});
    }
    // The norm behind the padding sees its zeros, so that it is none of the block's own.
    const auto output = padded ? DenseOutput::features : DenseOutput::normalised;
    x = dense_block(x, weights, Norm::eps, output);
    if (!padded) return x;
  } else {
    for (const auto& layer : blocks_[b]) x = at::cat({x, layer->forward(x)}, 1);
  }
  if (padded) {
    constexpr std::int64_t by = authors_padding;
    x = at::constant_pad_nd(x, {by, by, by, by});
  }
  return after.forward_relu(x);
}

torch::Tensor DenseNet::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor x = stem_norm_->forward_relu(stem_(images));
  x = at::max_pool2d(x, 3, 2, 1);
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    x = normalised_block(b, x);
    if (b < transitions_.size()) x = transitions_[b]->forward(x);
  }
  x = x.mean({2, 3});
  if (features != nullptr) *features = x;
  return classifier_(x);
}

std::shared_ptr<Network> make_densenet121(const NetworkOptions& options,
                                          const ProblemShape& shape) {
  return std::make_shared<DenseNet>(densenet121(options, true), shape);
}

std::shared_ptr<Network> make_densenet121_plain(const NetworkOptions& options,
                                                const ProblemShape& shape) {
  return std::make_shared<DenseNet>(densenet121(options, false), shape);
}

}  // namespace harmofl
