// SPDX-License-Identifier: Apache-2.0
// Batch norm, ReLU and the 2x2 max-pool behind it in one pass. A row of the sweep is a row of the
// pooled images: two rows of pixels, three where the height is odd and the last would be left over.
#include "kernels/lanes.hpp"
#include "kernels/norm/channel_norm.hpp"
#include "kernels/pieces.hpp"

namespace harmofl::kernels {
namespace {

constexpr int windows_a_piece = static_cast<int>(rows_a_piece) / 4;

/// First pixel of pooled row `r`.
HARMOFL_SIMD_INLINE std::int64_t first_pixel(const Geometry& of, std::int64_t r) {
  const std::int64_t pooled_height = of.height / 2;
  return (r / pooled_height * of.height + r % pooled_height * 2) * of.width;
}

/// The pixels of a pooled row that are in no window: stretches [first, last).
struct LeftOver {
  std::int64_t first[3] = {0, 0, 0};
  std::int64_t last[3] = {0, 0, 0};

  HARMOFL_SIMD_INLINE LeftOver(const Geometry& of, std::int64_t r) {
    const std::int64_t below = first_pixel(of, r) + of.width;
    if (of.width % 2 == 1) {
      first[0] = below - 1;
      last[0] = below;
      first[1] = below + of.width - 1;
      last[1] = below + of.width;
    }
    if (of.height % 2 == 1 && (r + 1) % (of.height / 2) == 0) {
      first[2] = below + of.width;
      last[2] = below + 2 * of.width;
    }
  }
};

/// The pixels of window `w` of pooled row `r`.
struct Window {
  std::int64_t pixels[4];

  HARMOFL_SIMD_INLINE Window(const Geometry& of, std::int64_t start, std::int64_t w)
      : pixels{start + 2 * w, start + 2 * w + 1, start + 2 * w + of.width,
               start + 2 * w + of.width + 1} {}
};

/// Makes `best` the larger of both, NaN if one is. (Each comparison serves one selection: GCC takes
/// shared ones apart into scalars. Both maxima are the same, but of a NaN one keeps it, and a NaN's
/// bits with any others are NaN.)
template <int N>
HARMOFL_SIMD_INLINE void take_larger(Floats<N>& best, const Floats<N>& y) {
  const Floats<N> one = y < best ? best : y;
  const Floats<N> other = best < y ? y : best;
  typename Lanes<N>::Words bits, more;
  std::memcpy(&bits, &one, sizeof bits);
  std::memcpy(&more, &other, sizeof more);
  bits |= more;
  std::memcpy(&best, &bits, sizeof bits);
}

template <class T, bool with_y>
struct ScaleAndPool {
  Rows<const T> x;
  Geometry of;
  ChannelScaling scaling;
  Rows<T> y, pooled;

  template <int N>
  HARMOFL_SIMD_INLINE void pixel(Floats<N>& v, std::int64_t p, std::int64_t c,
                                 const Floats<N>& scale, const Floats<N>& shift) const {
    const Floats<N> zero = {};
    load<N>(v, x.row(p) + c);
    v = v * scale + shift;
    v = v < 0.0F ? zero : v;
    if constexpr (with_y) store<N>(y.row(p) + c, v);
    round_to<T, N>(v);
  }

  template <int N>
  HARMOFL_SIMD_INLINE void pooled_row(std::int64_t r, std::int64_t c, const Floats<N>& scale,
                                      const Floats<N>& shift) const {
    const std::int64_t windows = of.width / 2;
    const std::int64_t start = first_pixel(of, r);
    Floats<N> best, v;
    for (std::int64_t w = 0; w < windows; ++w) {
      const Window window(of, start, w);
      pixel<N>(best, window.pixels[0], c, scale, shift);
#pragma GCC unroll 3
      for (int k = 1; k < 4; ++k) {
        pixel<N>(v, window.pixels[k], c, scale, shift);
        take_larger<N>(best, v);
      }
      store<N>(pooled.row(r * windows + w) + c, best);
    }
    if constexpr (with_y) {
      const LeftOver left_over(of, r);
      for (int s = 0; s < 3; ++s) {
        for (std::int64_t p = left_over.first[s]; p < left_over.last[s]; ++p) {
          pixel<N>(v, p, c, scale, shift);
        }
      }
    }
  }

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    for (std::int64_t r = begin; r < end; ++r) {
      for (int u = 0; u < U; ++u) {
        Floats<N> scale, shift;
        load<N>(scale, scaling.scale + c + u * N);
        load<N>(shift, scaling.shift + c + u * N);
        pooled_row<N>(r, c + u * N, scale, shift);
      }
    }
  }
};

/// What both passes of the gradient need: that of the normalised pixels before ReLU.
template <class T, bool with_g>
struct PooledGradient {
  Rows<const T> g, g_pooled, x;
  Geometry of;
  ChannelScaling scaling;

  /// Adds to `d` what comes straight, not through the pool.
  template <int N>
  HARMOFL_SIMD_INLINE void add_straight(Floats<N>& d, const Floats<N>& y, std::int64_t p,
                                        std::int64_t c) const {
    if constexpr (with_g) {
      const Floats<N> zero = {};
      Floats<N> straight;
      load<N>(straight, g.row(p) + c);
      d += y <= 0.0F ? zero : straight;
    }
  }

  /// Values `v` of a window and the gradients `d` of their normalised values.
  template <int N>
  HARMOFL_SIMD_INLINE void window(const Window& window, std::int64_t pooled, std::int64_t c,
                                  const Floats<N>& scale, const Floats<N>& shift, Floats<N>* v,
                                  Floats<N>* d) const {
    const Floats<N> zero = {};
    Floats<N> y[4], best, through;
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      load<N>(v[k], x.row(window.pixels[k]) + c);
      y[k] = v[k] * scale + shift;
      round_to<T, N>(y[k]);
    }
    best = y[0];
#pragma GCC unroll 3
    for (int k = 1; k < 4; ++k) best = y[k] > best ? y[k] : best;
    load<N>(through, g_pooled.row(pooled) + c);
    through = best <= 0.0F ? zero : through;
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      d[k] = y[k] == best ? through : zero;
      through -= d[k];  // the first of equal maxima takes it all
      add_straight<N>(d[k], y[k], window.pixels[k], c);
    }
  }

  /// The same of a pixel that is in no window.
  template <int N>
  HARMOFL_SIMD_INLINE void lone(std::int64_t p, std::int64_t c, const Floats<N>& scale,
                                const Floats<N>& shift, Floats<N>& v, Floats<N>& d) const {
    load<N>(v, x.row(p) + c);
    const Floats<N> y = v * scale + shift;
    d = Floats<N>{};
    add_straight<N>(d, y, p, c);
  }
};

template <class T, bool with_g>
struct PooledGradientSums {
  PooledGradient<T, with_g> at;
  double* first = nullptr;
  double* second = nullptr;

  template <int N>
  HARMOFL_SIMD_INLINE void flush(std::int64_t c, Floats<N>& sum, Floats<N>& products) const {
    add_lanes<N>(first + c, sum);
    add_lanes<N>(second + c, products);
    sum = products = Floats<N>{};
  }

  template <int N>
  HARMOFL_SIMD_INLINE void rows(std::int64_t begin, std::int64_t end, std::int64_t c) const {
    const std::int64_t windows = at.of.width / 2;
    Floats<N> mean, scale, shift, v[4], d[4];
    Floats<N> sum = {};
    Floats<N> products = {};
    load<N>(mean, at.scaling.mean + c);
    load<N>(scale, at.scaling.scale + c);
    load<N>(shift, at.scaling.shift + c);
    int pending = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t start = first_pixel(at.of, r);
      for (std::int64_t w = 0; w < windows; ++w) {
        at.template window<N>(Window(at.of, start, w), r * windows + w, c, scale, shift, v, d);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          sum += d[k];
          products += d[k] * (v[k] - mean);
        }
        if (++pending == windows_a_piece) {
          flush<N>(c, sum, products);
          pending = 0;
        }
      }
      if constexpr (with_g) {
        const LeftOver left_over(at.of, r);
        for (int s = 0; s < 3; ++s) {
          for (std::int64_t p = left_over.first[s]; p < left_over.last[s]; ++p) {
            at.template lone<N>(p, c, scale, shift, v[0], d[0]);
            sum += d[0];
            products += d[0] * (v[0] - mean);
          }
        }
      }
    }
    flush<N>(c, sum, products);
  }

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    for (int u = 0; u < U; ++u) rows<N>(begin, end, c + u * N);
  }
};

template <class T, bool with_g>
struct PooledGradientRows {
  PooledGradient<T, with_g> at;
  ChannelGradient gradient;
  Rows<T> out;

  template <int N>
  HARMOFL_SIMD_INLINE void rows(std::int64_t begin, std::int64_t end, std::int64_t c) const {
    const std::int64_t windows = at.of.width / 2;
    Floats<N> mean, scale, shift, factor, slope, offset, v[4], d[4];
    load<N>(mean, at.scaling.mean + c);
    load<N>(scale, at.scaling.scale + c);
    load<N>(shift, at.scaling.shift + c);
    load<N>(factor, gradient.factor + c);
    load<N>(slope, gradient.slope + c);
    load<N>(offset, gradient.offset + c);
    for (std::int64_t r = begin; r < end; ++r) {
      const std::int64_t start = first_pixel(at.of, r);
      for (std::int64_t w = 0; w < windows; ++w) {
        const Window window(at.of, start, w);
        at.template window<N>(window, r * windows + w, c, scale, shift, v, d);
#pragma GCC unroll 4
        for (int k = 0; k < 4; ++k) {
          d[k] = d[k] * factor + ((v[k] - mean) * slope + offset);
          store<N>(out.row(window.pixels[k]) + c, d[k]);
        }
      }
      const LeftOver left_over(at.of, r);
      for (int s = 0; s < 3; ++s) {
        for (std::int64_t p = left_over.first[s]; p < left_over.last[s]; ++p) {
          at.template lone<N>(p, c, scale, shift, v[0], d[0]);
          d[0] = d[0] * factor + ((v[0] - mean) * slope + offset);
          store<N>(out.row(p) + c, d[0]);
        }
      }
    }
  }

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(std::int64_t c, std::int64_t begin, std::int64_t end) const {
    for (int u = 0; u < U; ++u) rows<N>(begin, end, c + u * N);
  }
};

}  // namespace

template <class T>
void scale_and_pool(Rows<const T> x, Geometry of, const ChannelScaling& scaling, Rows<T> y,
                    Rows<T> pooled) {
  const std::int64_t rows = of.images * (of.height / 2);
  if (y.data != nullptr) {
    for_rows(ScaleAndPool<T, true>{x, of, scaling, y, pooled}, rows, x.channels, 2 * of.width);
  } else {
    for_rows(ScaleAndPool<T, false>{x, of, scaling, y, pooled}, rows, x.channels, 2 * of.width);
  }
}

template <class T>
ChannelSums pooled_gradient_sums(Rows<const T> g, Rows<const T> g_pooled, Rows<const T> x,
                                 Geometry of, const ChannelScaling& scaling) {
  const std::int64_t rows = of.images * (of.height / 2);
  if (g.data != nullptr) {
    return sum_rows(PooledGradientSums<T, true>{{g, g_pooled, x, of, scaling}}, rows, x.channels,
                    2 * of.width);
  }
  return sum_rows(PooledGradientSums<T, false>{{g, g_pooled, x, of, scaling}}, rows, x.channels,
                  2 * of.width);
}

template <class T>
void pooled_gradient_rows(Rows<const T> g, Rows<const T> g_pooled, Rows<const T> x, Geometry of,
                          const ChannelScaling& scaling, const ChannelGradient& gradient,
                          Rows<T> out) {
  const std::int64_t rows = of.images * (of.height / 2);
  if (g.data != nullptr) {
    for_rows(PooledGradientRows<T, true>{{g, g_pooled, x, of, scaling}, gradient, out}, rows,
             x.channels, 2 * of.width);
  } else {
    for_rows(PooledGradientRows<T, false>{{g, g_pooled, x, of, scaling}, gradient, out}, rows,
             x.channels, 2 * of.width);
  }
}

#define HARMOFL_INSTANTIATE(T)                                                                     \
  template void scale_and_pool(Rows<const T>, Geometry, const ChannelScaling&, Rows<T>, Rows<T>);  \
  template ChannelSums pooled_gradient_sums(Rows<const T>, Rows<const T>, Rows<const T>, Geometry, \
                                            const ChannelScaling&);                                \
  template void pooled_gradient_rows(Rows<const T>, Rows<const T>, Rows<const T>, Geometry,        \
                                     const ChannelScaling&, const ChannelGradient&, Rows<T>);
HARMOFL_INSTANTIATE(float)
HARMOFL_INSTANTIATE(c10::BFloat16)
#undef HARMOFL_INSTANTIATE

}  // namespace harmofl::kernels
