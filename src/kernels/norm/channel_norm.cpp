// SPDX-License-Identifier: Apache-2.0
#include "kernels/norm/channel_norm.hpp"

#include "kernels/lanes.hpp"
#include "kernels/pieces.hpp"

namespace harmofl::kernels {
namespace {

constexpr std::int64_t sampled_rows = 32;

/// Sums of x - origin and of its square.
template <class T>
struct ShiftedSums {
  Rows<const T> x;
  const float* origin;
  double* first = nullptr;
  double* second = nullptr;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    Floats<N> shift[U], sum[U], squares[U], v;
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      load<N>(shift[u], origin + c + u * N);
      sum[u] = squares[u] = Floats<N>{};
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const T* row = x.row(r) + c;
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        load<N>(v, row + u * N);
        v -= shift[u];
        sum[u] += v;
        squares[u] += v * v;
      }
    }
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      add_lanes<N>(first + c + u * N, sum[u]);
      add_lanes<N>(second + c + u * N, squares[u]);
    }
  }
};

template <class T, bool relu>
struct Scale {
  Rows<const T> x;
  ChannelScaling scaling;
  Rows<T> y;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    const Floats<N> zero = {};
    Floats<N> scale[U], shift[U], v;
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      load<N>(scale[u], scaling.scale + c + u * N);
      load<N>(shift[u], scaling.shift + c + u * N);
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const T* from = x.row(r) + c;
      T* to = y.row(r) + c;
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        load<N>(v, from + u * N);
        v = v * scale[u] + shift[u];
        if constexpr (relu) v = v < 0.0F ? zero : v;
        store<N>(to + u * N, v);
      }
    }
  }
};

/// g where x scale + shift is not below or at 0, as libtorch's ReLU (a NaN lets g through).
template <int N, bool relu>
HARMOFL_SIMD_INLINE void mask(Floats<N>& g, const Floats<N>& x, const Floats<N>& scale,
                              const Floats<N>& shift) {
  if constexpr (relu) {
    const Floats<N> y = x * scale + shift;
    const Floats<N> zero = {};
    g = y <= 0.0F ? zero : g;
  }
}

template <class T, bool relu>
struct GradientSums {
  Rows<const T> g, x;
  ChannelScaling scaling;
  double* first = nullptr;
  double* second = nullptr;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    Floats<N> mean[U], scale[U], shift[U], sum[U], products[U], v, d;
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      load<N>(mean[u], scaling.mean + c + u * N);
      load<N>(scale[u], scaling.scale + c + u * N);
      load<N>(shift[u], scaling.shift + c + u * N);
      sum[u] = products[u] = Floats<N>{};
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const T* of_x = x.row(r) + c;
      const T* of_g = g.row(r) + c;
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        load<N>(v, of_x + u * N);
        load<N>(d, of_g + u * N);
        mask<N, relu>(d, v, scale[u], shift[u]);
        sum[u] += d;
        products[u] += d * (v - mean[u]);
      }
    }
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      add_lanes<N>(first + c + u * N, sum[u]);
      add_lanes<N>(second + c + u * N, products[u]);
    }
  }
};

template <class T, bool relu>
struct Gradient {
  Rows<const T> g, x;
  ChannelScaling scaling;
  ChannelGradient gradient;
  Rows<T> out;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    Floats<N> mean[U], scale[U], shift[U], factor[U], slope[U], offset[U], v, d;
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      load<N>(mean[u], scaling.mean + c + u * N);
      load<N>(scale[u], scaling.scale + c + u * N);
      load<N>(shift[u], scaling.shift + c + u * N);
      load<N>(factor[u], gradient.factor + c + u * N);
      load<N>(slope[u], gradient.slope + c + u * N);
      load<N>(offset[u], gradient.offset + c + u * N);
    }
    for (std::int64_t r = begin; r < end; ++r) {
      const T* of_x = x.row(r) + c;
      const T* of_g = g.row(r) + c;
      T* to = out.row(r) + c;
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) {
        load<N>(v, of_x + u * N);
        load<N>(d, of_g + u * N);
        mask<N, relu>(d, v, scale[u], shift[u]);
        d = d * factor[u] + ((v - mean[u]) * slope[u] + offset[u]);
        store<N>(to + u * N, d);
      }
    }
  }
};

/// About the mean of every channel: that of some rows, so that sums relative to it cancel little.
template <class T>
std::vector<float> origin_of(Rows<const T> x) {
  const std::int64_t samples = std::min(sampled_rows, x.count);
  std::vector<float> origin(static_cast<std::size_t>(x.channels), 0.0F);
  for (std::int64_t s = 0; s < samples; ++s) {
    const T* row = x.row(s * x.count / samples);
    for (std::int64_t c = 0; c < x.channels; ++c) {
      origin[static_cast<std::size_t>(c)] += static_cast<float>(row[c]);
    }
  }
  for (float& value : origin) value /= static_cast<float>(samples);
  return origin;
}

}  // namespace

template <class T>
ChannelSums mean_and_variance(Rows<const T> x) {
  const std::vector<float> origin = origin_of(x);
  ChannelSums sums = sum_rows(ShiftedSums<T>{x, origin.data()}, x.count, x.channels);
  const auto count = static_cast<double>(x.count);
  for (std::size_t c = 0; c < origin.size(); ++c) {
    const double shift = sums.first[c] / count;
    const double variance = sums.second[c] / count - shift * shift;
    sums.first[c] = static_cast<double>(origin[c]) + shift;
    sums.second[c] = variance < 0.0 ? 0.0 : variance;
  }
  return sums;
}

template <class T>
void scale_rows(Rows<const T> x, const ChannelScaling& scaling, bool relu, Rows<T> y) {
  if (relu) {
    for_rows(Scale<T, true>{x, scaling, y}, x.count, x.channels);
  } else {
    for_rows(Scale<T, false>{x, scaling, y}, x.count, x.channels);
  }
}

template <class T>
ChannelSums gradient_sums(Rows<const T> g, Rows<const T> x, const ChannelScaling& scaling,
                          bool relu) {
  return relu ? sum_rows(GradientSums<T, true>{g, x, scaling}, x.count, x.channels)
              : sum_rows(GradientSums<T, false>{g, x, scaling}, x.count, x.channels);
}

template <class T>
void gradient_rows(Rows<const T> g, Rows<const T> x, const ChannelScaling& scaling,
                   const ChannelGradient& gradient, bool relu, Rows<T> out) {
  if (relu) {
    for_rows(Gradient<T, true>{g, x, scaling, gradient, out}, x.count, x.channels);
  } else {
    for_rows(Gradient<T, false>{g, x, scaling, gradient, out}, x.count, x.channels);
  }
}

#define HARMOFL_INSTANTIATE(T)                                                                   \
  template ChannelSums mean_and_variance(Rows<const T>);                                         \
  template void scale_rows(Rows<const T>, const ChannelScaling&, bool, Rows<T>);                 \
  template ChannelSums gradient_sums(Rows<const T>, Rows<const T>, const ChannelScaling&, bool); \
  template void gradient_rows(Rows<const T>, Rows<const T>, const ChannelScaling&,               \
                              const ChannelGradient&, bool, Rows<T>);
HARMOFL_INSTANTIATE(float)
HARMOFL_INSTANTIATE(c10::BFloat16)
#undef HARMOFL_INSTANTIATE

}  // namespace harmofl::kernels
