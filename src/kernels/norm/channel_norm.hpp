// SPDX-License-Identifier: Apache-2.0
/// Passes over rows of channels that a batch norm with ReLU is made of, float32 or bfloat16 values.
///
/// Sums are float32 over pieces of at most 128 rows, relative to a value of the channel, and
/// float64 over pieces, in an order that depends on the shape alone: as exact as sums in float64
/// for what a network can notice, and the same on any number of threads.
#pragma once

#include "kernels/rows.hpp"

#include <cstdint>
#include <vector>

namespace harmofl::kernels {

/// y = x scale + shift, and what its gradient needs; [channels] each.
struct ChannelScaling {
  const float* mean;
  const float* scale;
  const float* shift;
};

/// Gradient of x: factor g + (x - mean) slope + offset; [channels] each.
struct ChannelGradient {
  const float* factor;
  const float* slope;
  const float* offset;
};

/// Two float64 sums a channel, one array after the other.
struct ChannelSums {
  explicit ChannelSums(std::int64_t channels)
      : first(static_cast<std::size_t>(channels)), second(static_cast<std::size_t>(channels)) {}

  std::vector<double> first, second;
};

/// Images whose rows these are.
struct Geometry {
  std::int64_t images, height, width;
};

/// Mean and biased variance of every channel.
template <class T>
ChannelSums mean_and_variance(Rows<const T> x);

/// y = x scale + shift, below 0 replaced by 0 if `relu` (NaN stays).
template <class T>
void scale_rows(Rows<const T> x, const ChannelScaling& scaling, bool relu, Rows<T> y);

/// Sums of g and of g (x - mean), where g counts only as far as `relu` let x through.
template <class T>
ChannelSums gradient_sums(Rows<const T> g, Rows<const T> x, const ChannelScaling& scaling,
                          bool relu);

/// The gradient of x; `out` may be `g`.
template <class T>
void gradient_rows(Rows<const T> g, Rows<const T> x, const ChannelScaling& scaling,
                   const ChannelGradient& gradient, bool relu, Rows<T> out);

/// scale_rows with ReLU, then the maximum of every 2x2 window into `pooled`; `y.data` may be null.
template <class T>
void scale_and_pool(Rows<const T> x, Geometry of, const ChannelScaling& scaling, Rows<T> y,
                    Rows<T> pooled);

/// As gradient_sums, of the gradient `g` of y (`g.data` may be null) plus that of the pooled
/// maxima, which goes to the first of equal ones.
template <class T>
ChannelSums pooled_gradient_sums(Rows<const T> g, Rows<const T> g_pooled, Rows<const T> x,
                                 Geometry of, const ChannelScaling& scaling);

template <class T>
void pooled_gradient_rows(Rows<const T> g, Rows<const T> g_pooled, Rows<const T> x, Geometry of,
                          const ChannelScaling& scaling, const ChannelGradient& gradient,
                          Rows<T> out);

}  // namespace harmofl::kernels
