// SPDX-License-Identifier: Apache-2.0
#include "model/networks/cnn.hpp"

#include "harmofl/base/text.hpp"
#include "kernels/conv/conv3x3.hpp"

namespace harmofl {
namespace {
constexpr std::int64_t cnn_min_side = 8;  // halved three times
}

Cnn::Cnn(const NetworkOptions& options, const ProblemShape& shape)
    : convs_{nullptr, nullptr, nullptr} {
  require_labels("cnn", shape, cnn_min_side);
  std::int64_t in = shape.channels;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string number = std::to_string(level + 1);
    const std::int64_t out = options.width << level;
    convs_[level] = register_module(
        "conv" + number, torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1)));
    norms_[level] = register_module("bn" + number, std::make_shared<Norm>(options.norm, out));
    in = out;
  }
  classifier_ = register_module("classifier", torch::nn::Linear(in, shape.classes));
}

torch::Tensor Cnn::forward(const torch::Tensor& images, torch::Tensor* features) {
  torch::Tensor x = images;
  for (std::size_t level = 0; level < levels; ++level) {
    // A norm by the batch's own statistics takes the bias away again, and gives it no gradient.
    const bool with_bias = norms_[level]->kind() != NormKind::batch_stateless;
    x = with_bias ? convs_[level](x) : conv3x3(x, convs_[level]->weight);
    x = norms_[level]->forward_relu_pool(x);
  }
  x = x.mean({2, 3});
  if (features != nullptr) *features = x;
  return classifier_(x);
}

}  // namespace harmofl
