// SPDX-License-Identifier: Apache-2.0
// A tile of R rows and U vectors of columns is summed in registers, over a depth that is read from
// rows (or packed) on one side and packed panels of columns on the other.
#include "kernels/conv/row_products.hpp"

#include "kernels/lanes.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

namespace harmofl::kernels {
namespace {

constexpr int tile_rows = 6;
constexpr std::int64_t block_rows = 48;    ///< Rows of `a` that stay in the cache for all panels.
constexpr std::int64_t block_depth = 256;  ///< Rows that a transposed product packs at a time.

/// a(i, k) = data[i row + k step].
struct Factor {
  const float* data;
  std::int64_t row, step;
};

/// The valid part of a tile of the result.
struct Tile {
  float* data;
  std::int64_t stride, rows, columns;
  bool add;
};

template <int N, int U>
HARMOFL_SIMD_INLINE void write_whole(const Floats<N> (&sums)[tile_rows][U], const Tile& to) {
#pragma GCC unroll 6
  for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) {
      float* at = to.data + i * to.stride + u * N;
      Floats<N> v = {};
      if (to.add) load<N>(v, at);
      v += sums[i][u];
      store<N>(at, v);
    }
  }
}

template <int N, int U>
HARMOFL_SIMD_INLINE void write_part(const Floats<N> (&sums)[tile_rows][U], const Tile& to) {
  float values[tile_rows][U * N];
#pragma GCC unroll 6
  for (int i = 0; i < tile_rows; ++i) {
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) store<N>(values[i] + u * N, sums[i][u]);
  }
  for (std::int64_t i = 0; i < to.rows; ++i) {
    for (std::int64_t n = 0; n < to.columns; ++n) {
      float& at = to.data[i * to.stride + n];
      at = to.add ? at + values[i][n] : values[i][n];
    }
  }
}

/// A tile of the product of `a` and a packed panel [depth, U * N].
template <int N, int U>
HARMOFL_SIMD_INLINE void multiply_tile(const Factor& a, const float* panel, std::int64_t depth,
                                       const Tile& to) {
  Floats<N> sums[tile_rows][U] = {};
  const float* of_a = a.data;
  for (std::int64_t k = 0; k < depth; ++k) {
    Floats<N> b[U];
#pragma GCC unroll 4
    for (int u = 0; u < U; ++u) load<N>(b[u], panel + u * N);
    panel += U * N;
#pragma GCC unroll 6
    for (int i = 0; i < tile_rows; ++i) {
      const float value = of_a[i * a.row];
#pragma GCC unroll 4
      for (int u = 0; u < U; ++u) sums[i][u] += value * b[u];
    }
    of_a += a.step;
  }
  if (to.rows == tile_rows && to.columns == U * N) {
    write_whole<N, U>(sums, to);
  } else {
    write_part<N, U>(sums, to);
  }
}

/// Lays out columns [first, first + count) of rows of `b` as a panel `width` wide, zeros behind.
void pack_panel(const SmallMatrix& b, std::int64_t depth, std::int64_t count, std::int64_t width,
                float* panel) {
  for (std::int64_t k = 0; k < depth; ++k) {
    const float* from = b.data + k * b.row;
    float* to = panel + k * width;
    if (b.column == 1) {
      std::copy_n(from, count, to);
    } else {
      for (std::int64_t n = 0; n < count; ++n) to[n] = from[n * b.column];
    }
    std::fill(to + count, to + width, 0.0F);
  }
}

/// Lays out `count` rows of `a` as [depth, tile_rows], zeros behind.
void pack_factor(const Factor& a, std::int64_t depth, std::int64_t count, float* packed) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < tile_rows; ++i) {
      packed[k * tile_rows + i] = i < count ? a.data[i * a.row + k * a.step] : 0.0F;
    }
  }
}

/// out rows [begin, end) = a times all panels.
struct MultiplyRows {
  Rows<const float> a;
  const float* panels;
  Rows<float> out;
  bool add;
  std::int64_t begin, end;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(float* spare) const {
    constexpr std::int64_t width = std::int64_t{U} * N;
    const std::int64_t depth = a.channels;
    for (std::int64_t block = begin; block < end; block += block_rows) {
      const std::int64_t last = std::min(end, block + block_rows);
      for (std::int64_t n = 0; n < out.channels; n += width) {
        const float* panel = panels + n * depth;
        for (std::int64_t r = block; r < last; r += tile_rows) {
          const Tile to{out.row(r) + n, out.stride, std::min<std::int64_t>(tile_rows, last - r),
                        std::min(width, out.channels - n), add};
          Factor factor{a.row(r), a.stride, 1};
          if (to.rows < tile_rows) {
            pack_factor(factor, depth, to.rows, spare);
            factor = {spare, 1, tile_rows};
          }
          multiply_tile<N, U>(factor, panel, depth, to);
        }
      }
    }
  }
};

/// out columns of panels [begin, end) += a' b.
struct MultiplyTransposed {
  Rows<const float> a, b;
  Rows<float> out;
  std::int64_t begin, end;

  template <int N, int U>
  HARMOFL_SIMD_INLINE void run(float* spare) const {
    constexpr std::int64_t width = std::int64_t{U} * N;
    const std::int64_t tiles = (a.channels + tile_rows - 1) / tile_rows;
    float* packed_a = spare;
    float* panel = spare + tiles * tile_rows * block_depth;
    for (std::int64_t p = 0; p < a.count; p += block_depth) {
      const std::int64_t depth = std::min(block_depth, a.count - p);
      for (std::int64_t t = 0; t < tiles; ++t) {
        const std::int64_t m = t * tile_rows;
        pack_factor({a.row(p) + m, 1, a.stride}, depth,
                    std::min<std::int64_t>(tile_rows, a.channels - m), packed_a + m * block_depth);
      }
      for (std::int64_t n = begin * width; n < std::min(end * width, out.channels); n += width) {
        const std::int64_t columns = std::min(width, out.channels - n);
        pack_panel({b.row(p) + n, b.stride, 1}, depth, columns, width, panel);
        for (std::int64_t m = 0; m < a.channels; m += tile_rows) {
          const Tile to{out.row(m) + n, out.stride,
                        std::min<std::int64_t>(tile_rows, a.channels - m), columns, true};
          multiply_tile<N, U>({packed_a + m * block_depth, 1, tile_rows}, panel, depth, to);
        }
      }
    }
  }
};

template <class Kernel>
HARMOFL_SIMD_TARGET("arch=x86-64-v4")
void run_avx512(const Kernel& kernel, float* spare) {
  kernel.template run<16, 4>(spare);
}

template <class Kernel>
HARMOFL_SIMD_TARGET("arch=x86-64-v3")
void run_avx2(const Kernel& kernel, float* spare) {
  kernel.template run<8, 2>(spare);
}

/// Columns of a panel in the version that this machine runs.
std::int64_t panel_width() {
  return simd_level() == SimdLevel::avx512 ? 64 : simd_level() == SimdLevel::avx2 ? 16 : 8;
}

template <class Kernel>
void run(const Kernel& kernel, std::vector<float>& spare) {
  switch (simd_level()) {
    case SimdLevel::avx512:
      return run_avx512(kernel, spare.data());
    case SimdLevel::avx2:
      return run_avx2(kernel, spare.data());
    case SimdLevel::any:
      return kernel.template run<4, 2>(spare.data());
  }
}

}  // namespace

void multiply(Rows<const float> a, SmallMatrix b, Rows<float> out, bool add) {
  const std::int64_t width = panel_width();
  const std::int64_t depth = a.channels;
  const std::int64_t panels = (out.channels + width - 1) / width;
  std::vector<float> packed(static_cast<std::size_t>(panels * width * depth));
  at::parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      const std::int64_t n = panel * width;
      pack_panel({b.data + n * b.column, b.row, b.column}, depth, std::min(width, out.channels - n),
                 width, packed.data() + n * depth);
    }
  });
  at::parallel_for(0, a.count, block_rows, [&](std::int64_t begin, std::int64_t end) {
    std::vector<float> spare(static_cast<std::size_t>(tile_rows * depth));
    run(MultiplyRows{a, packed.data(), out, add, begin, end}, spare);
  });
}

void add_transposed_product(Rows<const float> a, Rows<const float> b, Rows<float> out) {
  const std::int64_t width = panel_width();
  const std::int64_t panels = (out.channels + width - 1) / width;
  at::parallel_for(0, panels, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t rows = a.channels + tile_rows + width;
    std::vector<float> spare(static_cast<std::size_t>(rows * block_depth));
    run(MultiplyTransposed{a, b, out, begin, end}, spare);
  });
}

}  // namespace harmofl::kernels
