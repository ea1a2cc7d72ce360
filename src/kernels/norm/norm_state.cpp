// SPDX-License-Identifier: Apache-2.0
#include "kernels/norm/norm_state.hpp"

#include <cmath>

namespace harmofl::kernels {

ChannelScaling NormState::scaling() const {
  const std::int64_t channels = values.size(1);
  const auto* data = values.const_data_ptr<float>();
  return {data, data + channels, data + 2 * channels};
}

NormState make_state(const ChannelSums& moments, const torch::Tensor& weight,
                     const torch::Tensor& bias, double eps, bool of_batch) {
  const auto channels = static_cast<std::int64_t>(moments.first.size());
  NormState state{torch::empty({4, channels}), of_batch};
  auto* mean = state.values.data_ptr<float>();
  float* scale = mean + channels;
  float* shift = scale + channels;
  float* inverse = shift + channels;
  const float* gain = weight.defined() ? weight.const_data_ptr<float>() : nullptr;
  const float* add = bias.defined() ? bias.const_data_ptr<float>() : nullptr;
  for (std::int64_t c = 0; c < channels; ++c) {
    const double average = moments.first[static_cast<std::size_t>(c)];
    const double rstd = 1.0 / std::sqrt(moments.second[static_cast<std::size_t>(c)] + eps);
    const double factor = gain == nullptr ? rstd : rstd * static_cast<double>(gain[c]);
    mean[c] = static_cast<float>(average);
    scale[c] = static_cast<float>(factor);
    shift[c] = static_cast<float>((add == nullptr ? 0.0 : static_cast<double>(add[c])) -
                                  average * static_cast<double>(scale[c]));
    inverse[c] = static_cast<float>(rstd);
  }
  return state;
}

ChannelSums moments_of(const torch::Tensor& x) {
  return with_type_of(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    return mean_and_variance<T>(rows_of<const T>(x));
  });
}

void normalise(const torch::Tensor& x, const NormState& state, bool relu, const torch::Tensor& y) {
  with_type_of(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    scale_rows<T>(rows_of<const T>(x), state.scaling(), relu, rows_of<T>(y));
  });
}

void to_affine_gradients(ChannelSums& sums, const NormState& state) {
  const auto* inverse = state.values.const_data_ptr<float>() + 3 * state.values.size(1);
  for (std::size_t c = 0; c < sums.second.size(); ++c) {
    sums.second[c] *= static_cast<double>(inverse[c]);
  }
}

// With z = x - mean, y = z scale + bias and n pixels: gradient of x =
//   scale g - scale (sum g) / n - z scale / std^2 (sum g z) / n
torch::Tensor gradient_coefficients(const ChannelSums& sums, const NormState& state,
                                    std::int64_t count) {
  const std::int64_t channels = state.values.size(1);
  torch::Tensor coefficients = torch::empty({3, channels});
  auto* factor = coefficients.data_ptr<float>();
  const float* scale = state.scaling().scale;
  const float* inverse = scale + 2 * channels;
  const double share = state.of_batch ? 1.0 / static_cast<double>(count) : 0.0;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double by = static_cast<double>(scale[c]);
    const double rstd = static_cast<double>(inverse[c]);
    factor[c] = scale[c];
    factor[channels + c] =
        state.of_batch ? static_cast<float>(-by * rstd * rstd * sums.second[i] * share) : 0.0F;
    factor[2 * channels + c] =
        state.of_batch ? static_cast<float>(-by * sums.first[i] * share) : 0.0F;
  }
  return coefficients;
}

ChannelGradient as_gradient(const torch::Tensor& coefficients) {
  const auto* data = coefficients.const_data_ptr<float>();
  return {data, data + coefficients.size(1), data + 2 * coefficients.size(1)};
}

ChannelSums normalise_backward(const torch::Tensor& g, const torch::Tensor& x,
                               const NormState& state, bool relu, const torch::Tensor& out) {
  return with_type_of(x, [&](auto* type) {
    using T = std::remove_pointer_t<decltype(type)>;
    const auto of_x = rows_of<const T>(x);
    const auto of_g = rows_of<const T>(g);
    ChannelSums sums = gradient_sums<T>(of_g, of_x, state.scaling(), relu);
    const torch::Tensor coefficients = gradient_coefficients(sums, state, of_x.count);
    gradient_rows<T>(of_g, of_x, state.scaling(), as_gradient(coefficients), relu, rows_of<T>(out));
    return sums;
  });
}

}  // namespace harmofl::kernels
