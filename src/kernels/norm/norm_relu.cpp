// SPDX-License-Identifier: Apache-2.0
#include "kernels/norm/norm_relu.hpp"

#include "harmofl/base/error.hpp"
#include "kernels/norm/norm_state.hpp"

#include <torch/csrc/autograd/custom_function.h>

namespace harmofl {
namespace {

using kernels::ChannelSums;
using kernels::Geometry;
using kernels::NormState;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

enum class Pool : std::int64_t { none, alone, beside };

/// statistics <- (1 - momentum) statistics + momentum (those of the batch, variance unbiased).
void update_running(const BatchNormState& norm, const ChannelSums& moments, std::int64_t count) {
  auto* mean = norm.running_mean.data_ptr<float>();
  auto* variance = norm.running_var.data_ptr<float>();
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  for (std::size_t c = 0; c < moments.first.size(); ++c) {
    mean[c] = static_cast<float>(norm.momentum * moments.first[c] +
                                 (1.0 - norm.momentum) * static_cast<double>(mean[c]));
    variance[c] = static_cast<float>(norm.momentum * moments.second[c] * unbiased +
                                     (1.0 - norm.momentum) * static_cast<double>(variance[c]));
  }
}

ChannelSums running_moments(const BatchNormState& norm) {
  const std::int64_t channels = norm.running_mean.numel();
  ChannelSums moments(channels);
  const auto* mean = norm.running_mean.const_data_ptr<float>();
  const auto* variance = norm.running_var.const_data_ptr<float>();
  std::copy_n(mean, channels, moments.first.begin());
  std::copy_n(variance, channels, moments.second.begin());
  return moments;
}

NormState state_of(const torch::Tensor& x, const BatchNormState& norm) {
  if (!norm.of_batch) {
    return make_state(running_moments(norm), norm.weight, norm.bias, norm.eps, false);
  }
  const ChannelSums moments = kernels::moments_of(x);
  if (norm.running_mean.defined()) update_running(norm, moments, x.numel() / x.size(1));
  return make_state(moments, norm.weight, norm.bias, norm.eps, true);
}

torch::Tensor images_like(const torch::Tensor& x, std::int64_t height, std::int64_t width) {
  return torch::empty({x.size(0), x.size(1), height, width},
                      x.options().memory_format(torch::MemoryFormat::ChannelsLast));
}

template <class T>
Rows<const T> rows_or_none(const torch::Tensor& images) {
  return images.defined() ? rows_of<const T>(images) : Rows<const T>{nullptr, 0, 0, 0};
}

torch::Tensor as_tensor(const std::vector<double>& values) {
  const auto count = static_cast<std::int64_t>(values.size());
  torch::Tensor tensor = torch::empty({count});
  std::copy(values.begin(), values.end(), tensor.data_ptr<float>());
  return tensor;
}

/// Of the gradients of y and of the pooled y (one may be undefined); writes that of x to `out`.
ChannelSums pooled_backward(const torch::Tensor& g, const torch::Tensor& g_pooled,
                            const torch::Tensor& x, const NormState& state,
                            const torch::Tensor& out) {
  return kernels::with_type_of(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const Geometry of{x.size(0), x.size(2), x.size(3)};
    const auto of_x = rows_of<const T>(x);
    const auto of_g = rows_or_none<T>(g);
    const auto of_pooled = rows_of<const T>(g_pooled);
    ChannelSums sums = kernels::pooled_gradient_sums<T>(of_g, of_pooled, of_x, of, state.scaling());
    const torch::Tensor coefficients = gradient_coefficients(sums, state, of_x.count);
    kernels::pooled_gradient_rows<T>(of_g, of_pooled, of_x, of, state.scaling(),
                                     kernels::as_gradient(coefficients), rows_of<T>(out));
    return sums;
  });
}

/// What a FusedNorm does, besides the tensors with gradients.
struct Request {
  BatchNormState norm;
  bool relu;
  Pool pool;
  torch::Tensor y;  ///< Where the result goes, or undefined.
};

constexpr std::size_t inputs_of_norm = 4;

struct FusedNorm : torch::autograd::Function<FusedNorm> {
  static variable_list forward(AutogradContext* context, const torch::Tensor& x,
                               const std::optional<torch::Tensor>& weight,
                               const std::optional<torch::Tensor>& /*bias*/,
                               const Request& request) {
    const NormState state = state_of(x, request.norm);
    const Pool pool = request.pool;
    torch::Tensor y = request.y;
    if (!y.defined() && pool != Pool::alone) y = images_like(x, x.size(2), x.size(3));
    context->saved_data["relu"] = request.relu;
    context->saved_data["of_batch"] = state.of_batch;
    context->saved_data["affine"] = weight.has_value();
    context->set_materialize_grads(false);
    context->save_for_backward({x, state.values});
    if (pool == Pool::none) {
      kernels::normalise(x, state, request.relu, y);
      return {y};
    }
    const torch::Tensor pooled = images_like(x, x.size(2) / 2, x.size(3) / 2);
    kernels::with_type_of(x, [&](auto* type) {
      using T = std::remove_pointer_t<decltype(type)>;
      const auto of_y = y.defined() ? rows_of<T>(y) : Rows<T>{nullptr, 0, 0, 0};
      kernels::scale_and_pool<T>(rows_of<const T>(x), {x.size(0), x.size(2), x.size(3)},
                                 state.scaling(), of_y, rows_of<T>(pooled));
    });
    return pool == Pool::alone ? variable_list{pooled} : variable_list{pooled, y};
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const torch::Tensor& x = saved[0];
    const NormState state{saved[1], context->saved_data["of_batch"].toBool()};
    const bool relu = context->saved_data["relu"].toBool();
    torch::Tensor g, g_pooled;  // of y and of the pooled y
    for (const torch::Tensor& gradient : gradients) {
      if (!gradient.defined()) continue;
      const bool of_y = gradient.size(2) == x.size(2);
      (of_y ? g : g_pooled) = with_rows(gradient);
    }
    if (!g.defined() && !g_pooled.defined()) return variable_list(inputs_of_norm);
    torch::Tensor out = images_like(x, x.size(2), x.size(3));
    ChannelSums sums = g_pooled.defined() ? pooled_backward(g, g_pooled, x, state, out)
                                          : kernels::normalise_backward(g, x, state, relu, out);
    variable_list result(inputs_of_norm);
    result[0] = out;
    if (context->saved_data["affine"].toBool()) {
      to_affine_gradients(sums, state);
      result[1] = as_tensor(sums.second);
      result[2] = as_tensor(sums.first);
    }
    return result;
  }
};

variable_list apply(const torch::Tensor& x, const BatchNormState& norm, bool relu, Pool pool,
                    const torch::Tensor& out) {
  HARMOFL_EXPECT(fits_row_kernels(x));
  HARMOFL_EXPECT(pool == Pool::none || (x.size(2) > 1 && x.size(3) > 1));
  HARMOFL_EXPECT(!out.defined() || (out.sizes() == x.sizes() && row_stride(out) &&
                                    out.scalar_type() == x.scalar_type()));
  const auto if_defined = [](const torch::Tensor& tensor) {
    return tensor.defined() ? std::optional(tensor) : std::nullopt;
  };
  return FusedNorm::apply(x, if_defined(norm.weight), if_defined(norm.bias),
                          Request{norm, relu, pool, out});
}

struct Concatenation : torch::autograd::Function<Concatenation> {
  static torch::Tensor forward(AutogradContext* context, const torch::Tensor& whole,
                               torch::TensorList parts) {
    std::vector<std::int64_t> channels;
    for (const torch::Tensor& part : parts) channels.push_back(part.size(1));
    context->saved_data["channels"] = channels;
    return channel_slice(whole, 0, whole.size(1));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto channels = context->saved_data["channels"].toIntVector();
    const torch::Tensor g = with_rows(gradients[0]);
    variable_list result(1);
    std::int64_t first = 0;
    for (const std::int64_t count : channels) {
      result.push_back(g.narrow(1, first, count));
      first += count;
    }
    return result;
  }
};

}  // namespace

torch::Tensor batch_norm(const torch::Tensor& x, const BatchNormState& norm, bool relu,
                         const torch::Tensor& out) {
  return apply(x, norm, relu, Pool::none, out)[0];
}

torch::Tensor batch_norm_relu_pool(const torch::Tensor& x, const BatchNormState& norm) {
  return apply(x, norm, true, Pool::alone, {})[0];
}

std::pair<torch::Tensor, torch::Tensor> batch_norm_relu_and_pool(const torch::Tensor& x,
                                                                 const BatchNormState& norm,
                                                                 const torch::Tensor& out) {
  const variable_list both = apply(x, norm, true, Pool::beside, out);
  return {both[1], both[0]};
}

torch::Tensor concatenation_in_place(const torch::Tensor& whole,
                                     const std::vector<torch::Tensor>& parts) {
  return Concatenation::apply(whole, torch::TensorList(parts));
}

}  // namespace harmofl
