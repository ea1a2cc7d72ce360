// SPDX-License-Identifier: Apache-2.0
// The dense block with one normalised buffer against concatenations in float64.
#include "kernels/norm/dense_block.hpp"

#include "model/measures/losses.hpp"
#include "model/model.hpp"
#include "model/tensors.hpp"

#include <ATen/Parallel.h>
#include <gmock/gmock.h>

#include <limits>

namespace harmofl {
namespace {

using test::classification_of;
using test::distance;
using test::random_images;
using test::same_bits;

constexpr double eps = 1e-5;
constexpr double block_tolerance = 1e-4;  ///< Relative to the largest value.
constexpr double bf16_excess = 1.2;       ///< Error in bfloat16 over that of libtorch's operations.

struct Block {
  torch::Tensor images;
  std::vector<DenseLayerWeights> layers;
};

Block make_block(torch::IntArrayRef shape, std::int64_t layers, std::int64_t growth,
                 std::int64_t inner) {
  Block block;
  torch::manual_seed(3);
  block.images = torch::randn(shape).contiguous(torch::MemoryFormat::ChannelsLast);
  std::int64_t channels = shape[1];
  for (std::int64_t i = 0; i < layers; ++i) {
    block.layers.push_back(
        {torch::randn({inner, channels, 1, 1}) * 0.2, torch::randn({growth, inner, 3, 3}) * 0.1});
    channels += growth;
  }
  return block;
}

Block as(torch::ScalarType type, const Block& block) {
  const auto leaf = [&](const torch::Tensor& t) {
    return t.detach().to(type).clone(torch::MemoryFormat::Preserve).requires_grad_();
  };
  Block copy{leaf(block.images), {}};
  for (const auto& layer : block.layers) {
    copy.layers.push_back({leaf(layer.conv1), leaf(layer.conv2)});
  }
  return copy;
}

torch::Tensor norm_relu(const torch::Tensor& x) {
  return at::batch_norm(x, {}, {}, {}, {}, true, 0.1, eps, false).relu();
}

torch::Tensor plain_block(const Block& block, DenseOutput output) {
  torch::Tensor x = block.images;
  for (const auto& layer : block.layers) {
    const torch::Tensor inner = norm_relu(at::conv2d(norm_relu(x), layer.conv1));
    x = at::cat({x, at::conv2d(inner, layer.conv2, {}, 1, 1)}, 1);
  }
  return output == DenseOutput::normalised ? norm_relu(x) : x;
}

/// The output, then the gradients of images and weights for a fixed gradient of the output.
std::vector<torch::Tensor> results(const Block& block, const torch::Tensor& y) {
  const torch::Tensor g = random_images(y.sizes(), 5).to(y.scalar_type()) - 0.4;
  (y * g).sum().backward();
  std::vector<torch::Tensor> all{y, block.images.grad()};
  for (const auto& layer : block.layers) {
    all.push_back(layer.conv1.grad());
    all.push_back(layer.conv2.grad());
  }
  return all;
}

std::vector<torch::Tensor> own_results(const Block& data, DenseOutput output) {
  const Block block = as(torch::kFloat32, data);
  return results(block, dense_block(block.images, block.layers, eps, output));
}

void expect_near(const std::vector<torch::Tensor>& got, const std::vector<torch::Tensor>& expected,
                 double bound) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_EQ(got[i].sizes(), expected[i].sizes()) << "result " << i;
    EXPECT_LT(distance(got[i], expected[i]), bound * expected[i].abs().max().item<double>())
        << "result " << i;
  }
}

TEST(DenseBlock, equals_concatenations_in_float64_for_odd_and_even_sizes) {
  for (const DenseOutput output : {DenseOutput::normalised, DenseOutput::features}) {
    for (const Block& data :
         {make_block({3, 16, 8, 8}, 3, 16, 32), make_block({2, 7, 5, 9}, 4, 5, 13),
          make_block({5, 64, 7, 3}, 2, 32, 128), make_block({4, 6, 6, 6}, 0, 4, 8)}) {
      const Block wide = as(torch::kFloat64, data);
      expect_near(own_results(data, output), results(wide, plain_block(wide, output)),
                  block_tolerance);
    }
  }
}

TEST(DenseBlock, under_autocast_computes_in_bfloat16_about_as_exactly_as_libtorch) {
  const Block data = make_block({4, 32, 8, 8}, 3, 32, 64);
  const Block wide = as(torch::kFloat64, data);
  const auto expected = results(wide, plain_block(wide, DenseOutput::normalised));
  const auto errors = [&](const auto& run) {
    const Block block = as(torch::kFloat32, data);
    torch::Tensor y;
    {
      const PrecisionScope scope(Precision::bf16, torch::kCPU);
      y = run(block);
    }
    EXPECT_EQ(y.scalar_type(), torch::kBFloat16);
    const auto got = results(block, y);
    std::vector<double> all;
    for (std::size_t i = 0; i < got.size(); ++i) {
      all.push_back((got[i].to(torch::kFloat64) - expected[i]).norm().item<double>());
    }
    EXPECT_EQ(block.layers[0].conv1.grad().scalar_type(), torch::kFloat32);
    return all;
  };
  const auto own = errors([](const Block& block) {
    return dense_block(block.images, block.layers, eps, DenseOutput::normalised);
  });
  const auto plain = errors([](const Block& block) {
    return plain_block({block.images.to(torch::kBFloat16), block.layers}, DenseOutput::normalised);
  });
  for (std::size_t i = 0; i < own.size(); ++i) {
    EXPECT_LT(own[i], bf16_excess * plain[i]) << "result " << i;
  }
}

TEST(DenseBlock, has_the_same_bits_on_one_thread_and_on_two) {
  const int threads = at::get_num_threads();
  const Block data = make_block({6, 32, 24, 24}, 2, 32, 128);
  std::vector<std::vector<torch::Tensor>> all;
  for (const int n : {1, 2}) {
    at::set_num_threads(n);
    all.push_back(own_results(data, DenseOutput::normalised));
  }
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < all[0].size(); ++i) {
    EXPECT_TRUE(same_bits(all[0][i], all[1][i])) << "result " << i;
  }
}

TEST(DenseBlock, keeps_a_nan_visible) {
  Block data = make_block({2, 16, 6, 6}, 2, 16, 32);
  data.images[0][3][1][1] = std::numeric_limits<float>::quiet_NaN();
  torch::NoGradGuard no_grad;
  const torch::Tensor y = dense_block(data.images, data.layers, eps, DenseOutput::normalised);
  EXPECT_TRUE(y.select(1, 3).isnan().all().item<bool>());
  EXPECT_TRUE(y.narrow(1, 16, 32).isnan().all().item<bool>());
  EXPECT_FALSE(y.select(1, 2).isnan().any().item<bool>());
}

/// Loss and gradient of a model of one seed on one batch.
std::pair<double, torch::Tensor> loss_and_gradient(const std::string& network, std::int64_t width,
                                                   NormKind norm, bool channels_last) {
  ModelOptions options;
  options.network = {network, width, norm};
  options.amplitude.band = Band::off;
  options.channels_last = channels_last;
  Model model(options, classification_of(45, 37), 1, torch::kCPU);
  model.set_training(true);
  const torch::Tensor images = random_images({6, 3, 45, 37}, 2);
  const torch::Tensor labels = torch::tensor({0, 1, 1, 0, 1, 0}, torch::kInt64);
  const torch::Tensor value = loss(LossKind::cross_entropy, model.forward(images), labels);
  value.backward();
  std::vector<torch::Tensor> gradients;  // by tensor: their order in memory differs
  for (const Slot& slot : model.state().slots()) {
    if (slot.role != Role::parameter) continue;
    gradients.push_back(
        ParameterVector::view(model.state().gradients(), slot).contiguous().flatten());
  }
  return {value.item<double>(), at::cat(gradients)};
}

TEST(ChannelsLast, changes_no_network_of_labels_but_by_rounding) {
  for (const auto& [network, width] :
       {std::pair{"cnn", 8}, std::pair{"densenet121", 8}, std::pair{"densenet121-plain", 8},
        std::pair{"resnet18", 8}}) {
    for (const NormKind norm : {NormKind::batch_stateless, NormKind::batch, NormKind::group}) {
      const auto [loss, gradient] = loss_and_gradient(network, width, norm, false);
      const auto [own_loss, own] = loss_and_gradient(network, width, norm, true);
      EXPECT_NEAR(own_loss, loss, 2e-3) << network;
      const double error = (own - gradient).norm().item<double>();
      EXPECT_LT(error, 0.02 * gradient.norm().item<double>()) << network;
    }
  }
}

}  // namespace
}  // namespace harmofl
