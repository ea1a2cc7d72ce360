// SPDX-License-Identifier: Apache-2.0
#include "model/networks/unet.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/conv/conv3x3.hpp"
#include "kernels/conv/upconv2x2.hpp"
#include "kernels/norm/norm_relu.hpp"
#include "kernels/rows.hpp"

#include <tuple>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t total_stride = 16;

torch::nn::Conv2d make_conv3x3(std::int64_t in, std::int64_t out) {
  return torch::nn::Conv2d(torch::nn::Conv2dOptions(in, out, 3).padding(1).bias(false));
}

}  // namespace

UNet::Block::Block(const std::string& prefix, std::int64_t in, std::int64_t out, NormKind kind)
    : conv1(make_conv3x3(in, out)), conv2(make_conv3x3(out, out)) {
  register_module(prefix + "_conv1", conv1);
  norm1 = register_module(prefix + "_bn1", std::make_shared<Norm>(kind, out));
  register_module(prefix + "_conv2", conv2);
  norm2 = register_module(prefix + "_bn2", std::make_shared<Norm>(kind, out));
}

torch::Tensor UNet::Block::features(const torch::Tensor& x) {
  return conv3x3(norm1->forward_relu(conv3x3(x, conv1->weight)), conv2->weight);
}

UNet::UNet(const NetworkOptions& options, const ProblemShape& shape)
    : ups_{nullptr, nullptr, nullptr, nullptr} {
  HARMOFL_VALIDATE(shape.task == Task::segmentation,
                   "model.name = unet segments images, but the shards' task is classification. ",
                   "Use model.name = cnn.");
  HARMOFL_VALIDATE(shape.height % total_stride == 0 && shape.width % total_stride == 0,
                   "model.name = unet halves images four times, so height and width must be ",
                   "divisible by 16, but the shards hold ", shape.height, "x", shape.width,
                   ". Prepare them with another --size.");
  const std::int64_t width = options.width;
  std::int64_t in = shape.channels;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::string number = std::to_string(level + 1);
    const std::int64_t out = width << level;
    encoders_[level] = register_module(
        "encoder" + number, std::make_shared<Block>("enc" + number, in, out, options.norm));
    in = out;
  }
  feature_count_ = 2 * in;
  bottleneck_ = register_module("bottleneck",
                                std::make_shared<Block>("bottleneck", in, 2 * in, options.norm));
  for (std::size_t level = levels; level-- > 0;) {
    const std::string number = std::to_string(level + 1);
    const std::int64_t out = width << level;
    ups_[level] = register_module(
        "upconv" + number,
        torch::nn::ConvTranspose2d(torch::nn::ConvTranspose2dOptions(2 * out, out, 2).stride(2)));
    decoders_[level] = register_module(
        "decoder" + number, std::make_shared<Block>("dec" + number, 2 * out, out, options.norm));
  }
  head_ =
      register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(width, shape.classes, 1)));
}

// Where the kernels take it, a level's wide buffer is what its decoder reads: the encoder writes
// its second half, the way up its first, and nothing is concatenated.
torch::Tensor UNet::forward(const torch::Tensor& images, torch::Tensor* features) {
  std::array<Level, levels> skips;
  torch::Tensor x = images;
  for (std::size_t level = 0; level < levels; ++level)
    x = descend(*encoders_[level], x, skips[level]);
  x = bottleneck_->norm2->forward_relu(bottleneck_->features(x));
  if (features != nullptr) *features = x.mean({2, 3});
  for (std::size_t level = levels; level-- > 0;) {
    Block& decoder = *decoders_[level];
    x = decoder.norm2->forward_relu(decoder.features(ascend(ups_[level], x, skips[level])));
  }
  return head_(x);
}

/// Through an encoder and its max-pool; keeps what the decoder of the level reads.
torch::Tensor UNet::descend(Block& encoder, const torch::Tensor& x, Level& level) {
  const torch::Tensor y = encoder.features(x);
  const std::int64_t channels = y.size(1);
  torch::Tensor half;
  if (encoder.norm2->fused(y)) {
    level.whole = torch::empty({y.size(0), 2 * channels, y.size(2), y.size(3)},
                               y.options().memory_format(torch::MemoryFormat::ChannelsLast));
    half = channel_slice(level.whole, channels, channels);
  }
  torch::Tensor pooled;
  std::tie(level.skip, pooled) = encoder.norm2->forward_relu_and_pool(y, half);
  return pooled;
}

/// What the decoder of a level reads: the images from below, twice as large, and the encoder's.
torch::Tensor UNet::ascend(torch::nn::ConvTranspose2d& up, const torch::Tensor& x,
                           const Level& level) {
  if (!level.whole.defined() || !fits_row_kernels(x)) return at::cat({up(x), level.skip}, 1);
  const std::int64_t channels = level.skip.size(1);
  const torch::Tensor half = channel_slice(level.whole, 0, channels);
  const torch::Tensor upper = upconv2x2(x, up->weight, up->bias, half);
  return concatenation_in_place(level.whole, {upper, level.skip});
}

}  // namespace harmofl
