/// The kernels of winograd.hpp for one vector length. Included by one file for each instruction
/// set, which defines HARMOFL_VECTOR_BYTES and is compiled for that set: everything has internal
/// linkage.
#pragma once

#include "winograd.hpp"

namespace harmofl::winograd {
namespace {

constexpr Index lanes = HARMOFL_VECTOR_BYTES / 4;
using Vector = float __attribute__((vector_size(HARMOFL_VECTOR_BYTES)));
using Unaligned = float __attribute__((vector_size(HARMOFL_VECTOR_BYTES), aligned(4)));

inline Vector load(const float* from) { return *reinterpret_cast<const Unaligned*>(from); }
inline void store(float* to, Vector value) { *reinterpret_cast<Unaligned*>(to) = value; }

/// The tile with a number, and the steps from one to the next.
struct Tile {
  Index image, row, column;

  Tile(const Images& images, Index number)
      : image(number / (images.tile_rows() * images.tile_columns())),
        row(number / images.tile_columns() % images.tile_rows()),
        column(number % images.tile_columns()) {}
};

/// The pixels of image `image` in row `row`; null outside.
inline float* pixels(const Images& images, Index image, Index row) {
  if (row < 0 || row >= images.height) return nullptr;
  return images.data + (image * images.height + row) * images.width * images.pixel_stride;
}

/// Calls work(tile, first, count) for every run of tiles that lie in one row of tiles, `first`
/// being the number of its first tile within the range.
template <class Work>
inline void for_each_run(const Images& images, TileRange tiles, const Work& work) {
  for (Index t = tiles.begin; t < tiles.end;) {
    const Tile tile(images, t);
    Index count = images.tile_columns() - tile.column;
    if (count > tiles.end - t) count = tiles.end - t;
    work(tile, t - tiles.begin, count);
    t += count;
  }
}

// --- Transforms
// -----------------------------------------------------------------------------------

/// One column of B^T d: B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1].
struct Column {
  Vector v[4];
};

inline Column input_column(float* const (&rows)[4], Index x, Index width, Index stride, Index c) {
  const Vector zero = {};
  if (x < 0 || x >= width) return {{zero, zero, zero, zero}};
  const Index at = x * stride + c;
  const Vector d0 = rows[0] != nullptr ? load(rows[0] + at) : zero;
  const Vector d1 = load(rows[1] + at);
  const Vector d2 = rows[2] != nullptr ? load(rows[2] + at) : zero;
  const Vector d3 = rows[3] != nullptr ? load(rows[3] + at) : zero;
  return {{d0 - d2, d1 + d2, d2 - d1, d1 - d3}};
}

/// Neighbouring tiles share two of their four columns.
inline void transform_input(const Images& images, TileRange tiles, const Transformed& to) {
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    float* rows[4];
    for (Index r = 0; r < 4; ++r) rows[r] = pixels(images, tile.image, 2 * tile.row - 1 + r);
    const Index width = images.width;
    const Index stride = images.pixel_stride;
    for (Index c = 0; c < to.channels; c += lanes) {
      Index x = 2 * tile.column - 1;
      Column c0 = input_column(rows, x, width, stride, c);
      Column c1 = input_column(rows, x + 1, width, stride, c);
      float* target = to.data + first * to.channels + c;
      for (Index t = 0; t < count; ++t, target += to.channels) {
        x += 2;
        const Column c2 = input_column(rows, x, width, stride, c);
        const Column c3 = input_column(rows, x + 1, width, stride, c);
        float* at = target;
        for (int r = 0; r < 4; ++r, at += 4 * to.element_stride) {
          store(at, c0.v[r] - c2.v[r]);
          store(at + to.element_stride, c1.v[r] + c2.v[r]);
          store(at + 2 * to.element_stride, c2.v[r] - c1.v[r]);
          store(at + 3 * to.element_stride, c1.v[r] - c3.v[r]);
        }
        c0 = c2;
        c1 = c3;
      }
    }
  });
}

/// A^T = [1 1 1 0; 0 1 -1 -1].
inline void transform_output(const Transformed& from, TileRange tiles, const Images& images) {
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    float* const row0 = pixels(images, tile.image, 2 * tile.row);
    float* const row1 = pixels(images, tile.image, 2 * tile.row + 1);
    const Index stride = images.pixel_stride;
    for (Index t = 0; t < count; ++t) {
      const Index x = 2 * (tile.column + t);
      const bool second = x + 1 < images.width;
      const float* source = from.data + (first + t) * from.channels;
      for (Index c = 0; c < from.channels; c += lanes) {
        Vector upper[4], lower[4];
        for (int s = 0; s < 4; ++s) {
          const float* at = source + c + s * from.element_stride;
          const Vector m0 = load(at);
          const Vector m1 = load(at + 4 * from.element_stride);
          const Vector m2 = load(at + 8 * from.element_stride);
          const Vector m3 = load(at + 12 * from.element_stride);
          upper[s] = m0 + m1 + m2;
          lower[s] = m1 - m2 - m3;
        }
        const Index at = x * stride + c;
        store(row0 + at, upper[0] + upper[1] + upper[2]);
        if (second) store(row0 + at + stride, upper[1] - upper[2] - upper[3]);
        if (row1 == nullptr) continue;
        store(row1 + at, lower[0] + lower[1] + lower[2]);
        if (second) store(row1 + at + stride, lower[1] - lower[2] - lower[3]);
      }
    }
  });
}

/// A dY A^T: the transposed of the output's transform.
inline void transform_gradient(const Images& images, TileRange tiles, const Transformed& to) {
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    const float* const row0 = pixels(images, tile.image, 2 * tile.row);
    const float* const row1 = pixels(images, tile.image, 2 * tile.row + 1);
    const Index stride = images.pixel_stride;
    const Vector zero = {};
    for (Index t = 0; t < count; ++t) {
      const Index x = 2 * (tile.column + t);
      const bool second = x + 1 < images.width;
      float* target = to.data + (first + t) * to.channels;
      for (Index c = 0; c < to.channels; c += lanes) {
        const Index at = x * stride + c;
        const Vector y00 = load(row0 + at);
        const Vector y01 = second ? load(row0 + at + stride) : zero;
        const Vector y10 = row1 != nullptr ? load(row1 + at) : zero;
        const Vector y11 = row1 != nullptr && second ? load(row1 + at + stride) : zero;
        const Vector left[4] = {y00, y00 + y10, y00 - y10, -y10};
        const Vector right[4] = {y01, y01 + y11, y01 - y11, -y11};
        float* to_row = target + c;
        for (int r = 0; r < 4; ++r, to_row += 4 * to.element_stride) {
          store(to_row, left[r]);
          store(to_row + to.element_stride, left[r] + right[r]);
          store(to_row + 2 * to.element_stride, left[r] - right[r]);
          store(to_row + 3 * to.element_stride, -right[r]);
        }
      }
    }
  });
}

// --- Weights
// --------------------------------------------------------------------------------------

inline Index panel_columns(Index columns);

/// Element [row, column] of the right side of a product, in panels.
struct Panels {
  Index depth, panel;

  Panels(Index rows, Index columns) : depth(rows), panel(panel_columns(columns)) {}
  Index at(Index row, Index column) const {
    return (column / panel * depth + row) * panel + column % panel;
  }
};

/// U = G g G^T of `lanes` channels: G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1].
inline void transform_filter(const Vector (&g)[3][3], Vector (&u)[4][4]) {
  Vector rows[4][3];
  for (int s = 0; s < 3; ++s) {
    const Vector ends = 0.5F * (g[0][s] + g[2][s]);
    const Vector middle = 0.5F * g[1][s];
    rows[0][s] = g[0][s];
    rows[1][s] = ends + middle;
    rows[2][s] = ends - middle;
    rows[3][s] = g[2][s];
  }
  for (int r = 0; r < 4; ++r) {
    const Vector ends = 0.5F * (rows[r][0] + rows[r][2]);
    const Vector middle = 0.5F * rows[r][1];
    u[r][0] = rows[r][0];
    u[r][1] = ends + middle;
    u[r][2] = ends - middle;
    u[r][3] = rows[r][2];
  }
}

inline void load_filter(const Weight& weight, Index k, Index c, bool turned, Vector (&g)[3][3]) {
  const float* const from = weight.data + k * 9 * weight.inputs + c;
  for (int i = 0; i < 9; ++i) {
    const int tap = turned ? 8 - i : i;
    g[i / 3][i % 3] = load(from + tap * weight.inputs);
  }
}

/// Squares of channel_unit inputs and outputs are transposed on the way.
inline void transform_weight(const Weight& weight, OutputRange range, float* to) {
  const Panels panels(weight.inputs, weight.outputs);
  const Index element_stride = weight.inputs * weight.outputs;
  float square[elements][lanes][channel_unit];  // [e, c, k]
  for (Index k = range.begin; k < range.end; k += channel_unit) {
    for (Index c = 0; c < weight.inputs; c += lanes) {
      for (Index i = 0; i < channel_unit; ++i) {
        Vector g[3][3];
        Vector u[4][4];
        load_filter(weight, k + i, c, false, g);
        transform_filter(g, u);
        for (Index e = 0; e < elements; ++e) {
          for (Index lane = 0; lane < lanes; ++lane) square[e][lane][i] = u[e / 4][e % 4][lane];
        }
      }
      for (Index e = 0; e < elements; ++e) {
        for (Index lane = 0; lane < lanes; ++lane) {
          float* const at = to + e * element_stride + panels.at(c + lane, k);
          for (Index i = 0; i < channel_unit; ++i) at[i] = square[e][lane][i];
        }
      }
    }
  }
}

inline void transform_turned_weight(const Weight& weight, OutputRange range, float* to) {
  const Panels panels(weight.outputs, weight.inputs);
  const Index element_stride = weight.inputs * weight.outputs;
  for (Index k = range.begin; k < range.end; ++k) {
    for (Index c = 0; c < weight.inputs; c += lanes) {
      Vector g[3][3];
      Vector u[4][4];
      load_filter(weight, k, c, true, g);
      transform_filter(g, u);
      float* const at = to + panels.at(k, c);
      for (Index e = 0; e < elements; ++e) store(at + e * element_stride, u[e / 4][e % 4]);
    }
  }
}

inline void transform_weight_gradient(const float* from, OutputRange range, const Weight& to) {
  const Index element_stride = to.inputs * to.outputs;
  for (Index k = range.begin; k < range.end; ++k) {
    for (Index c = 0; c < to.inputs; c += lanes) {
      const float* const at = from + k * to.inputs + c;
      Vector rows[3][4];
      for (int s = 0; s < 4; ++s) {
        const Vector u0 = load(at + s * element_stride);
        const Vector u1 = load(at + (4 + s) * element_stride);
        const Vector u2 = load(at + (8 + s) * element_stride);
        const Vector u3 = load(at + (12 + s) * element_stride);
        rows[0][s] = u0 + 0.5F * (u1 + u2);
        rows[1][s] = 0.5F * (u1 - u2);
        rows[2][s] = 0.5F * (u1 + u2) + u3;
      }
      float* const g = to.data + k * 9 * to.inputs + c;
      for (int r = 0; r < 3; ++r) {
        float* const row = g + 3 * r * to.inputs;
        const Vector middle = 0.5F * (rows[r][1] + rows[r][2]);
        store(row, rows[r][0] + middle);
        store(row + to.inputs, 0.5F * (rows[r][1] - rows[r][2]));
        store(row + 2 * to.inputs, middle + rows[r][3]);
      }
    }
  }
}

// --- Products
// -------------------------------------------------------------------------------------

/// `rows` x (`vectors` * lanes) elements of C, held in registers.
template <int rows, int vectors>
inline void multiply_block(const Product& p, const float* a, const float* b, float* c) {
  Vector sums[rows][vectors] = {};
  const Index a_row = p.a_row;
  for (Index d = 0; d < p.depth; ++d, a += p.a_depth, b += p.b_row) {
    Vector right[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) right[v] = load(b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Vector left = a[r * a_row] - Vector{};  // a broadcast
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[r][v] += left * right[v];
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) {
      float* const at = c + r * p.c_row + v * lanes;
      store(at, p.add ? load(at) + sums[r][v] : sums[r][v]);
    }
  }
}

/// All rows of C for one panel of B, in blocks that differ by at most a row.
template <int most_rows, int vectors>
struct Panel {
  using Block = void (*)(const Product&, const float*, const float*, float*);

  template <int rows>
  static void call(const Product& p, const float* a, const float* b, float* c, Index count) {
    if constexpr (rows > 0) {
      if (count == rows) {
        multiply_block<rows, vectors>(p, a, b, c);
      } else {
        call<rows - 1>(p, a, b, c, count);
      }
    }
  }

  static void multiply(const Product& p, const float* b, float* c) {
    const Index blocks = (p.rows + most_rows - 1) / most_rows;
    for (Index i = 0; i < blocks; ++i) {
      const Index begin = p.rows * i / blocks;
      const Index end = p.rows * (i + 1) / blocks;
      call<most_rows>(p, p.a + begin * p.a_row, b, c + begin * p.c_row, end - begin);
    }
  }
};

/// Vectors across a panel: as many as divide the columns and leave registers for some rows.
inline Index panel_vectors(Index columns) {
  const Index most = HARMOFL_VECTOR_BYTES == 64 ? 4 : 2;
  Index vectors = most;
  while (columns % (vectors * lanes) != 0) vectors /= 2;
  return vectors;
}

inline Index panel_columns(Index columns) { return panel_vectors(columns) * lanes; }

inline void multiply(const Product& p) {
  const Index vectors = panel_vectors(p.columns);
  const Index panels = p.columns / (vectors * lanes);
  for (Index i = 0; i < panels; ++i) {
    const float* const b = p.b + i * p.b_panel;
    float* const c = p.c + i * vectors * lanes;
#if HARMOFL_VECTOR_BYTES == 64
    if (vectors == 4) Panel<6, 4>::multiply(p, b, c);
    if (vectors == 2) Panel<12, 2>::multiply(p, b, c);
    if (vectors == 1) Panel<14, 1>::multiply(p, b, c);
#else
    if (vectors == 2) Panel<6, 2>::multiply(p, b, c);
    if (vectors == 1) Panel<8, 1>::multiply(p, b, c);
#endif
  }
}

}  // namespace
}  // namespace harmofl::winograd
