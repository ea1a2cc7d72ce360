// SPDX-License-Identifier: Apache-2.0
// Decisions (ReLU, max-pool) that lie within the rounding of a tie are taken out of what goes back:
// there either choice is right, and one that differs would hide the rounding of all else.
#include "kernels/conv/upconv2x2.hpp"
#include "kernels/conv/winograd_conv3x3.hpp"
#include "kernels/norm/dense_block.hpp"
#include "kernels/norm/norm_relu.hpp"
#include "kernels/rounding/rounding.hpp"
#include "model/measures/fused_loss.hpp"
#include "model/measures/losses.hpp"
#include "model/model.hpp"

#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cmath>
#include <limits>

namespace harmofl::test {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr double eps = 1e-5;
constexpr auto last = torch::MemoryFormat::ChannelsLast;

torch::Tensor rounded(const torch::Tensor& x, torch::ScalarType type) {
  return x.to(type).to(torch::kFloat32);
}

std::string name_of(const char* name, torch::ScalarType type) {
  return std::string(name) + (type == torch::kBFloat16 ? " bf16" : "");
}

/// Winograd's convolution for all sizes it takes, whether the networks use it there or not.
struct Winograd : torch::autograd::Function<Winograd> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& images,
                               const torch::Tensor& weight) {
    context->save_for_backward({images, weight});
    return winograd_forward(images, weight);
  }
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor g = gradients[0].contiguous(last);
    return {winograd_backward_images(g, saved[1]), winograd_backward_weight(g, saved[0])};
  }
};

// Standard normal images and weights: the sums M_e of a tile's 16 elements, over C channels, have
// the variances 2 |G_i|^2 2 |G_j|^2 C, and a result adds up 3 x 3 of them: (2 (1 + 3/4 + 3/4))^2 C
// = 25 C, where the plain sum has 9 C. Relative to the result, a rounding error of the sums counts
// sqrt(25 / 9) times. For the weight it is the same on average over the 3 x 3, and 2 in its
// corners.
Subject convolution(torch::ScalarType type) {
  const auto draw = [type](Draw& d) {
    const std::int64_t b = d.integer(1, 6), in = 16 * d.integer(1, 5), out = 16 * d.integer(1, 5);
    const std::int64_t h = d.integer(1, 17), w = d.integer(1, 17);
    const torch::Tensor images = d.images({b, in, h, w});
    const torch::Tensor weight =
        d.normal({out, in, 3, 3}) / std::sqrt(9.0 * static_cast<double>(in));
    return Problem{{rounded(images, type), weight.contiguous(last)},
                   {rounded(d.normal({b, out, h, w}), type).contiguous(last)}};
  };
  return {name_of("conv3x3", type),
          type,
          5.0 / 3.0,
          2.0,
          {"result", "d images", "d weight"},
          draw,
          [](const Tensors& in) { return Tensors{Winograd::apply(in[0], in[1])}; },
          [](const Tensors& in) {
            return Tensors{at::conv2d(in[0], in[1].to(in[0].scalar_type()), {}, 1, 1)};
          }};
}

Subject way_up(torch::ScalarType type) {
  const auto draw = [type](Draw& d) {
    const std::int64_t b = d.integer(1, 5), in = d.integer(1, 70), out = d.integer(1, 40);
    const std::int64_t h = d.integer(1, 12), w = d.integer(1, 12);
    return Problem{
        {rounded(d.images({b, in, h, w}), type),
         d.normal({in, out, 2, 2}) / std::sqrt(static_cast<double>(in)), d.normal({out})},
        {rounded(d.normal({b, out, 2 * h, 2 * w}), type).contiguous(last)}};
  };
  return {name_of("upconv2x2", type),
          type,
          1.0,
          1.0,
          {"result", "d images", "d weight", "d bias"},
          draw,
          [](const Tensors& in) {
            const torch::Tensor out =
                torch::empty({in[0].size(0), in[1].size(1), 2 * in[0].size(2), 2 * in[0].size(3)},
                             in[0].options().requires_grad(false).memory_format(last));
            return Tensors{upconv2x2(in[0], in[1], in[2], out)};
          },
          [](const Tensors& in) {
            const auto as = in[0].scalar_type();
            return Tensors{at::conv_transpose2d(in[0], in[1].to(as), in[2].to(as), 2)};
          }};
}

BatchNormState affine(const Tensors& in) {
  BatchNormState norm;
  norm.weight = in[1];
  norm.bias = in[2];
  norm.eps = eps;
  return norm;
}

torch::Tensor plain_norm(const Tensors& in) {
  // libtorch mixes bfloat16 images with float32 parameters, but not float64 with float32
  return at::batch_norm(in[0], in[1], in[2], {}, {}, true, 0.1, eps, false);
}

enum class After { nothing, relu, relu_and_pool };

/// 1 where no decision between the norm and the end is within `close` of a tie.
Tensors decided(const torch::Tensor& normalised, After after, double close) {
  if (after == After::nothing) return {torch::ones_like(normalised)};
  const torch::Tensor clear = normalised.abs().gt(close).to(torch::kFloat32);
  if (after == After::relu) return {clear};
  const std::int64_t h = normalised.size(2) / 2, w = normalised.size(3) / 2;
  const torch::Tensor windows = normalised.relu()
                                    .narrow(2, 0, 2 * h)
                                    .narrow(3, 0, 2 * w)
                                    .reshape({normalised.size(0), normalised.size(1), h, 2, w, 2})
                                    .permute({0, 1, 2, 4, 3, 5})
                                    .flatten(4);
  const auto [best, index] = windows.topk(2, 4);
  const torch::Tensor first = best.select(4, 0), second = best.select(4, 1);
  return {clear, (first - second).gt(first * close + close).to(torch::kFloat32)};
}

Subject norm(torch::ScalarType type, After after) {
  const bool narrow = type == torch::kBFloat16;
  const double close = narrow ? 1.0 / 64 : 1e-4;
  const auto draw = [=](Draw& d) {
    const std::int64_t b = d.integer(1, 6), c = d.integer(1, 80);
    const std::int64_t h = d.integer(2, 24), w = d.integer(2, 24);
    Problem problem;
    problem.inputs = {rounded(d.images({b, c, h, w}), type), d.normal({c}), d.normal({c})};
    Tensors wide;
    for (const torch::Tensor& input : problem.inputs) wide.push_back(input.to(torch::kFloat64));
    for (const torch::Tensor& mask : decided(plain_norm(wide), after, close)) {
      problem.gradients.push_back((rounded(d.normal(mask.sizes()), type) * mask).contiguous(last));
    }
    return problem;
  };
  const char* names[] = {"norm", "norm, relu", "norm, relu, pool"};
  std::vector<std::string> results{"result"};
  if (after == After::relu_and_pool) results.emplace_back("pooled");
  for (const char* of : {"d images", "d weight", "d bias"}) results.emplace_back(of);
  return {name_of(names[static_cast<int>(after)], type),
          type,
          1.0,
          1.0,
          results,
          draw,
          [after](const Tensors& in) {
            if (after != After::relu_and_pool) {
              return Tensors{batch_norm(in[0], affine(in), after == After::relu)};
            }
            const auto [y, pooled] = batch_norm_relu_and_pool(in[0], affine(in));
            return Tensors{y, pooled};
          },
          [after](const Tensors& in) {
            const torch::Tensor y = plain_norm(in);
            if (after == After::nothing) return Tensors{y};
            if (after == After::relu) return Tensors{y.relu()};
            return Tensors{y.relu(), at::max_pool2d(y.relu(), 2)};
          }};
}

/// A dense block by concatenations; `least` becomes the activation nearest to 0, if wanted.
torch::Tensor plain_block(const Tensors& in, double* least) {
  const auto norm_relu = [&](const torch::Tensor& x) {
    const torch::Tensor y = at::batch_norm(x, {}, {}, {}, {}, true, 0.1, eps, false);
    if (least != nullptr) *least = std::min(*least, y.abs().min().item<double>());
    return y.relu();
  };
  const auto type = in[0].scalar_type();
  torch::Tensor x = in[0];
  for (std::size_t i = 1; i + 1 < in.size(); i += 2) {
    const torch::Tensor inner = norm_relu(at::conv2d(norm_relu(x), in[i].to(type)));
    x = at::cat({x, at::conv2d(inner, in[i + 1].to(type), {}, 1, 1)}, 1);
  }
  return norm_relu(x);
}

Problem draw_block(Draw& d, torch::ScalarType type) {
  const std::int64_t b = d.integer(2, 4), c = d.integer(1, 40), h = d.integer(2, 9);
  const std::int64_t w = d.integer(2, 9), growth = 16, inner = 16 * d.integer(1, 3);
  Problem problem;
  problem.inputs.push_back(
      rounded(d.normal({b, c, h, w}), type).contiguous(torch::MemoryFormat::ChannelsLast));
  for (std::int64_t in = c, layer = 0; layer < 2; ++layer, in += growth) {
    problem.inputs.push_back(d.normal({inner, in, 1, 1}));
    problem.inputs.push_back(d.normal({growth, inner, 3, 3}) / 10.0);
  }
  problem.gradients.push_back(rounded(d.normal({b, c + 2 * growth, h, w}), type).contiguous(last));
  return problem;
}

// Drawn again while an activation within lies at a tie, of the float32 one: all inside of bfloat16
// are too many, and count on both sides.
Subject block(torch::ScalarType type) {
  const auto draw = [type](Draw& d) {
    while (true) {
      Problem problem = draw_block(d, type);
      if (type == torch::kBFloat16) return problem;
      Tensors wide;
      for (const torch::Tensor& input : problem.inputs) wide.push_back(input.to(torch::kFloat64));
      double least = 1.0;
      plain_block(wide, &least);
      if (least > 1e-5) return problem;
    }
  };
  return {name_of("dense block", type),
          type,
          5.0 / 3.0,
          2.0,
          {"result", "d images", "d 1x1, 1", "d 3x3, 1", "d 1x1, 2", "d 3x3, 2"},
          draw,
          [type](const Tensors& in) {
            const PrecisionScope scope(type == torch::kBFloat16 ? Precision::bf16 : Precision::fp32,
                                       torch::kCPU);
            return Tensors{
                dense_block(in[0], {{in[1], in[2]}, {in[3], in[4]}}, eps, DenseOutput::normalised)};
          },
          [](const Tensors& in) { return Tensors{plain_block(in, nullptr)}; }};
}

Subject loss_of(bool masks) {
  const auto classes = [](const torch::Tensor& logits) {
    // drawn from the logits, so that both ways see the same
    return logits.detach()
        .mul(997.0)
        .floor()
        .to(torch::kInt64)
        .abs()
        .sum(1)
        .remainder(logits.size(1));
  };
  const auto draw = [masks](Draw& d) {
    const std::int64_t b = d.integer(1, 40), k = d.integer(2, 9);
    const std::int64_t h = d.integer(1, 30), w = d.integer(1, 30);
    const torch::Tensor logits = masks ? d.images({(b + 9) / 10, k, h, w}) : d.normal({b, k});
    return Problem{{logits * 3.0}, {torch::ones({})}};
  };
  return {masks ? "loss of masks" : "loss of labels",
          torch::kFloat32,
          1.0,
          1.0,
          {"result", "d logits"},
          draw,
          [=](const Tensors& in) { return Tensors{fused_loss(in[0], classes(in[0]), masks)}; },
          [=](const Tensors& in) {
            const torch::Tensor targets = classes(in[0].to(torch::kFloat32));
            return Tensors{loss(masks ? LossKind::cross_entropy_dice : LossKind::cross_entropy,
                                in[0], targets, Kernels::libtorch)};
          }};
}

}  // namespace

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    const torch::Tensor some = torch::empty({1, 16, 2, 2}, type).contiguous(last);
    if (fits_winograd(some, torch::empty({16, 16, 3, 3}))) all.push_back(convolution(type));
    all.push_back(way_up(type));
    for (const After after : {After::nothing, After::relu, After::relu_and_pool}) {
      all.push_back(norm(type, after));
    }
    all.push_back(block(type));
  }
  for (const bool masks : {false, true}) all.push_back(loss_of(masks));
  return all;
}

}  // namespace harmofl::test
