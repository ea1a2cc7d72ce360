// SPDX-License-Identifier: Apache-2.0
#include "kernels/conv/conv3x3.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/choice.hpp"
#include "kernels/conv/winograd_conv3x3.hpp"
#include "kernels/rows.hpp"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

namespace harmofl {
namespace {

bool is_autocast(const torch::Tensor& x) {
  return at::autocast::is_autocast_enabled(x.device().type());
}

torch::Tensor plain_backward(const torch::Tensor& gradient, const torch::Tensor& images,
                             const torch::Tensor& weight, std::array<bool, 3> wanted) {
  auto [of_images, of_weight, of_bias] = at::convolution_backward(
      gradient, images, weight.to(images.scalar_type()), std::nullopt, {1, 1}, {1, 1}, {1, 1},
      /*transposed=*/false, {0, 0}, 1, wanted);
  return wanted[0] ? of_images : of_weight.to(weight.scalar_type());
}

struct Conv3x3 : torch::autograd::Function<Conv3x3> {
  static torch::Tensor forward(torch::autograd::AutogradContext* context,
                               const torch::Tensor& images, const torch::Tensor& weight) {
    context->save_for_backward({images, weight});
    return conv3x3_forward(images, weight);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor gradient = with_rows(gradients[0]);
    torch::Tensor of_images, of_weight;
    if (context->needs_input_grad(0)) of_images = conv3x3_backward_images(gradient, saved[1]);
    if (context->needs_input_grad(1)) {
      of_weight = conv3x3_backward_weight(gradient, saved[0], saved[1]);
    }
    return {of_images, of_weight};
  }
};

}  // namespace

// A single tile is left to libtorch, which is faster there (docs/adr/0015-kernels-of-our-own.md).
bool has_fast_conv3x3(const torch::Tensor& images, const torch::Tensor& weight) {
  const auto tiles = [&] {
    return images.size(0) * ((images.size(2) + 1) / 2) * ((images.size(3) + 1) / 2);
  };
  return kernels_in_use() == Kernels::own && fits_winograd(images, weight) && tiles() > 1;
}

torch::Tensor conv3x3(const torch::Tensor& images, const torch::Tensor& weight) {
  HARMOFL_EXPECT(images.dim() == 4 && weight.dim() == 4 && weight.size(2) == 3);
  torch::Tensor x = images;
  if (is_autocast(images)) x = images.to(at::autocast::get_autocast_dtype(images.device().type()));
  if (!has_fast_conv3x3(x, weight)) return at::conv2d(images, weight, {}, 1, 1);
  return Conv3x3::apply(x, weight);
}

torch::Tensor conv3x3_forward(const torch::Tensor& images, const torch::Tensor& weight) {
  if (!has_fast_conv3x3(images, weight)) {
    return at::conv2d(images, weight.to(images.scalar_type()), {}, 1, 1);
  }
  return winograd_forward(images, weight);
}

torch::Tensor conv3x3_backward_images(const torch::Tensor& gradient, const torch::Tensor& weight) {
  if (!has_fast_conv3x3(gradient, weight)) {
    const torch::Tensor like =
        torch::empty({gradient.size(0), weight.size(1), gradient.size(2), gradient.size(3)},
                     gradient.options(), torch::MemoryFormat::ChannelsLast);
    return plain_backward(gradient, like, weight, {true, false, false});
  }
  return winograd_backward_images(gradient, weight);
}

torch::Tensor conv3x3_backward_weight(const torch::Tensor& gradient, const torch::Tensor& images,
                                      const torch::Tensor& weight) {
  if (!has_fast_conv3x3(images, weight) || !row_stride(gradient)) {
    return plain_backward(gradient, images, weight, {false, true, false});
  }
  return winograd_backward_weight(gradient, images);
}

}  // namespace harmofl
