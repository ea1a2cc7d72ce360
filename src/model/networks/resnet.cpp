// SPDX-License-Identifier: Apache-2.0
#include "model/networks/resnet.hpp"

#include "harmofl/base/text.hpp"

#include <torch/nn/init.h>

namespace harmofl {
namespace {

constexpr std::int64_t resnet_min_side = 32;  // below, the last stage would have no pixel
constexpr int stages = 4;
constexpr int blocks_a_stage = 2;

torch::nn::Conv2d conv(std::int64_t in, std::int64_t out, std::int64_t side, std::int64_t stride) {
  return torch::nn::Conv2d(
      torch::nn::Conv2dOptions(in, out, side).stride(stride).padding(side / 2).bias(false));
}

}  // namespace

ResNet18::Block::Block(std::int64_t in, std::int64_t out, std::int64_t stride, NormKind kind)
    : conv1(conv(in, out, 3, stride)), conv2(conv(out, out, 3, 1)) {
  register_module("conv1", conv1);
  norm1 = register_module("bn1", std::make_shared<Norm>(kind, out));
  register_module("conv2", conv2);
  norm2 = register_module("bn2", std::make_shared<Norm>(kind, out));
  if (in == out && stride == 1) return;
  const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
  shortcut = downsample->register_module("0", conv(in, out, 1, stride));
  shortcut_norm = downsample->register_module("1", std::make_shared<Norm>(kind, out));
}

torch::Tensor ResNet18::Block::forward(const torch::Tensor& x) {
  const torch::Tensor y = norm2->forward(conv2(norm1->forward_relu(conv1(x))));
  return (y + (shortcut.is_empty() ? x : shortcut_norm->forward(shortcut(x)))).relu_();
}

ResNet18::ResNet18(const NetworkOptions& options, const ProblemShape& shape) {
  require_labels("resnet18", shape, resnet_min_side);
  stem_ = register_module("conv1", conv(shape.channels, options.width, 7, 2));
  stem_norm_ = register_module("bn1", std::make_shared<Norm>(options.norm, options.width));
  std::int64_t in = options.width;
  for (int stage = 0; stage < stages; ++stage) {
    const auto layer =
        register_module(concat("layer", stage + 1), std::make_shared<torch::nn::Module>());
    const std::int64_t out = options.width << stage;
    for (int block = 0; block < blocks_a_stage; ++block) {
      const std::int64_t stride = stage > 0 && block == 0 ? 2 : 1;
      blocks_.push_back(layer->register_module(
          concat(block), std::make_shared<Block>(in, out, stride, options.norm)));
      in = out;
    }
  }
  classifier_ = register_module("fc", torch::nn::Linear(in, shape.classes));
  for (const auto& item : named_parameters()) {
    if (item.value().dim() != 4) continue;
    torch::nn::init::kaiming_normal_(item.value(), 0.0, torch::kFanOut, torch::kReLU);
  }
}

torch::Tensor ResNet18::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor x = stem_norm_->forward_relu(stem_(images));
  x = at::max_pool2d(x, 3, 2, 1);
  for (const auto& block : blocks_) x = block->forward(x);
  x = x.mean({2, 3});
  if (features != nullptr) *features = x;
  return classifier_(x);
}

}  // namespace harmofl
