// SPDX-License-Identifier: Apache-2.0
#include "kernels/norm/dense_block.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/conv/conv3x3.hpp"
#include "kernels/conv/pointwise.hpp"
#include "kernels/norm/norm_relu.hpp"
#include "kernels/norm/norm_state.hpp"
#include "kernels/rows.hpp"

#include <ATen/autocast_mode.h>
#include <torch/csrc/autograd/custom_function.h>

namespace harmofl {
namespace {

using kernels::NormState;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

torch::Tensor images_like(const torch::Tensor& x, std::int64_t channels) {
  return torch::empty({x.size(0), channels, x.size(2), x.size(3)},
                      x.options().memory_format(torch::MemoryFormat::ChannelsLast));
}

/// Writes max(norm(x), 0) to `y` and returns the norm's state.
NormState norm_relu(const torch::Tensor& x, double eps, const torch::Tensor& y) {
  NormState state = kernels::make_state(kernels::moments_of(x), {}, {}, eps, /*of_batch=*/true);
  kernels::normalise(x, state, /*relu=*/true, y);
  return state;
}

/// What backward needs of a layer. Its 3x3 convolution's input is computed again from `middle`.
struct LayerRecord {
  torch::Tensor conv1;                   ///< The weight in the type computed with.
  torch::Tensor conv2;                   ///< The weight itself.
  torch::Tensor middle, middle_state;    ///< Result of the 1x1 convolution.
  torch::Tensor feature, feature_state;  ///< Result of the 3x3 convolution.

  static constexpr std::size_t size = 6;
  void append_to(variable_list& list) const {
    list.insert(list.end(), {conv1, conv2, middle, middle_state, feature, feature_state});
  }
  static LayerRecord from(const variable_list& list, std::size_t first) {
    return {list[first],     list[first + 1], list[first + 2],
            list[first + 3], list[first + 4], list[first + 5]};
  }
};

/// Runs one layer on the first channels of `normalised`, and adds its own behind them there.
LayerRecord run_layer(const torch::Tensor& conv1, const torch::Tensor& conv2, double eps,
                      std::int64_t channels, const torch::Tensor& normalised,
                      const torch::Tensor& features) {
  const torch::ScalarType type = normalised.scalar_type();
  LayerRecord layer;
  layer.conv1 = conv1.contiguous().to(type);
  layer.conv2 = conv2;  // conv3x3 casts as it transforms
  layer.middle = images_like(normalised, conv1.size(0));
  kernels::convolve_pointwise(channel_slice(normalised, 0, channels), layer.conv1, layer.middle);
  const torch::Tensor inner = images_like(normalised, conv1.size(0));
  layer.middle_state = norm_relu(layer.middle, eps, inner).values;
  layer.feature = with_rows(conv3x3_forward(inner, layer.conv2));
  const std::int64_t growth = conv2.size(0);
  if (features.defined()) {
    layer.feature = channel_slice(features, channels, growth).copy_(layer.feature);
  }
  layer.feature_state =
      norm_relu(layer.feature, eps, channel_slice(normalised, channels, growth)).values;
  return layer;
}

/// From the gradient of a layer's feature map: that of its weights, and of its input, which is
/// added to `sum`.
void run_layer_backward(const LayerRecord& layer, const torch::Tensor& gradient,
                        const torch::Tensor& input, const torch::Tensor& sum,
                        torch::Tensor& conv1_gradient, torch::Tensor& conv2_gradient) {
  const NormState state{layer.middle_state};
  const torch::Tensor inner = images_like(layer.middle, layer.middle.size(1));
  kernels::normalise(layer.middle, state, /*relu=*/true, inner);
  conv2_gradient = conv3x3_backward_weight(gradient, inner, layer.conv2);
  const torch::Tensor of_inner = with_rows(conv3x3_backward_images(gradient, layer.conv2));
  kernels::normalise_backward(of_inner, layer.middle, state, /*relu=*/true, inner);
  conv1_gradient = kernels::pointwise_weight_gradient(inner, input);
  kernels::add_pointwise_gradient(inner, layer.conv1, sum);
}

struct DenseBlock : torch::autograd::Function<DenseBlock> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& x,
                               torch::TensorList weights, double eps, bool normalised_output) {
    std::int64_t channels = x.size(1);
    std::int64_t total = channels;
    for (std::size_t i = 1; i < weights.size(); i += 2) total += weights[i].size(0);
    const torch::Tensor normalised = images_like(x, total);
    torch::Tensor features;
    if (!normalised_output) {
      features = images_like(x, total);
      channel_slice(features, 0, channels).copy_(x);
    }
    variable_list saved{x, norm_relu(x, eps, channel_slice(normalised, 0, channels)).values,
                        normalised};
    for (std::size_t i = 0; i < weights.size(); i += 2) {
      run_layer(weights[i], weights[i + 1], eps, channels, normalised, features).append_to(saved);
      channels += weights[i + 1].size(0);
    }
    context->save_for_backward(std::move(saved));
    context->saved_data["normalised"] = normalised_output;
    context->saved_data["weights"] = weights.empty() ? torch::kFloat32 : weights[0].scalar_type();
    return normalised_output ? normalised : features;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const bool of_normalised = context->saved_data["normalised"].toBool();
    const auto type = static_cast<torch::ScalarType>(context->saved_data["weights"].toInt());
    const torch::Tensor& x = saved[0];
    const torch::Tensor& normalised = saved[2];
    const std::int64_t first = x.size(1);
    // Of all the normalised features; complete for a map as soon as all later layers are done.
    torch::Tensor sum = images_like(normalised, normalised.size(1));
    of_normalised ? sum.copy_(gradients[0]) : sum.zero_();
    const std::size_t layers = (saved.size() - 3) / LayerRecord::size;
    variable_list result(1 + 2 * layers + 2);
    std::int64_t channels = normalised.size(1);
    for (std::size_t i = layers; i-- > 0;) {
      const LayerRecord layer = LayerRecord::from(saved, 3 + i * LayerRecord::size);
      const std::int64_t growth = layer.feature.size(1);
      channels -= growth;
      const torch::Tensor gradient = images_like(x, growth);
      kernels::normalise_backward(channel_slice(sum, channels, growth), layer.feature,
                                  {layer.feature_state}, /*relu=*/true, gradient);
      if (!of_normalised) gradient.add_(gradients[0].narrow(1, channels, growth));
      torch::Tensor& conv1 = result[1 + 2 * i];
      run_layer_backward(layer, gradient, channel_slice(normalised, 0, channels),
                         channel_slice(sum, 0, channels), conv1, result[2 + 2 * i]);
      conv1 = conv1.to(type);
    }
    result[0] = images_like(x, first);
    kernels::normalise_backward(channel_slice(sum, 0, first), x, {saved[1]}, /*relu=*/true,
                                result[0]);
    if (!of_normalised) result[0].add_(gradients[0].narrow(1, 0, first));
    return result;
  }
};

}  // namespace

torch::Tensor dense_block(const torch::Tensor& images, const std::vector<DenseLayerWeights>& layers,
                          double eps, DenseOutput output) {
  HARMOFL_EXPECT(fits_row_kernels(images));
  variable_list weights;
  for (const DenseLayerWeights& layer : layers) {
    weights.push_back(layer.conv1);
    weights.push_back(layer.conv2);
  }
  const bool autocast = at::autocast::is_autocast_enabled(at::kCPU);
  const torch::ScalarType type =
      autocast ? at::autocast::get_autocast_dtype(at::kCPU) : images.scalar_type();
  return DenseBlock::apply(images.to(type), torch::TensorList(weights), eps,
                           output == DenseOutput::normalised);
}

}  // namespace harmofl
