// SPDX-License-Identifier: Apache-2.0
/// The kernels of winograd.hpp for one vector length and format. Included by one file for each
/// instruction set, which defines HARMOFL_VECTOR_BYTES and is compiled for that set: everything has
/// internal linkage.
#pragma once

#include "kernels/conv/winograd_products.hpp"
#include "kernels/conv/winograd_vectors.hpp"

namespace harmofl::winograd {
namespace {

/// The tile with a number, and the steps from one to the next.
struct Tile {
  Index image, row, column;

  Tile(const Images& images, Index number)
      : image(number / (images.tile_rows() * images.tile_columns())),
        row(number / images.tile_columns() % images.tile_rows()),
        column(number % images.tile_columns()) {}
};

/// The pixels of image `image` in row `row`; null outside.
template <class Format>
inline typename Format::Value* pixels(const Images& images, Index image, Index row) {
  if (row < 0 || row >= images.height) return nullptr;
  return static_cast<typename Format::Value*>(images.data) +
         (image * images.height + row) * images.width * images.pixel_stride;
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

/// Puts transformed tiles as rows.
template <class Format>
struct Rows {
  using Value = typename Format::Value;
  Value* data;
  Index element_stride, channels;

  explicit Rows(const Transformed& to)
      : data(static_cast<Value*>(to.data)),
        element_stride(to.element_stride),
        channels(to.channels) {}
  void put(Index tile, Index channel, Index element, Vector value) const {
    Format::store(data + element * element_stride + tile * channels + channel, value);
  }
};

/// One column of B^T d: B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1].
struct Column {
  Vector v[4];
};

template <class Format>
inline Column input_column(typename Format::Value* const (&rows)[4], Index x, Index width,
                           Index stride, Index c) {
  const Vector zero = {};
  if (x < 0 || x >= width) return {{zero, zero, zero, zero}};
  const Index at = x * stride + c;
  const Vector d0 = rows[0] != nullptr ? Format::load(rows[0] + at) : zero;
  const Vector d1 = Format::load(rows[1] + at);
  const Vector d2 = rows[2] != nullptr ? Format::load(rows[2] + at) : zero;
  const Vector d3 = rows[3] != nullptr ? Format::load(rows[3] + at) : zero;
  return {{d0 - d2, d1 + d2, d2 - d1, d1 - d3}};
}

/// Neighbouring tiles share two of their four columns.
template <class Format, class Layout>
inline void transform_input(const Images& images, TileRange tiles, const Transformed& transformed) {
  const Layout to(transformed);
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    typename Format::Value* rows[4];
    for (Index r = 0; r < 4; ++r) {
      rows[r] = pixels<Format>(images, tile.image, 2 * tile.row - 1 + r);
    }
    const Index width = images.width;
    const Index stride = images.pixel_stride;
    for (Index c = 0; c < transformed.channels; c += lanes) {
      Index x = 2 * tile.column - 1;
      Column c0 = input_column<Format>(rows, x, width, stride, c);
      Column c1 = input_column<Format>(rows, x + 1, width, stride, c);
      for (Index t = first; t < first + count; ++t) {
        x += 2;
        const Column c2 = input_column<Format>(rows, x, width, stride, c);
        const Column c3 = input_column<Format>(rows, x + 1, width, stride, c);
        for (int r = 0; r < 4; ++r) {
          to.put(t, c, 4 * r, c0.v[r] - c2.v[r]);
          to.put(t, c, 4 * r + 1, c1.v[r] + c2.v[r]);
          to.put(t, c, 4 * r + 2, c2.v[r] - c1.v[r]);
          to.put(t, c, 4 * r + 3, c1.v[r] - c3.v[r]);
        }
        c0 = c2;
        c1 = c3;
      }
    }
  });
}

/// A^T = [1 1 1 0; 0 1 -1 -1].
template <class Format>
inline void transform_output(const Transformed& from, TileRange tiles, const Images& images) {
  const float* const data = static_cast<const float*>(from.data);
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    auto* const row0 = pixels<Format>(images, tile.image, 2 * tile.row);
    auto* const row1 = pixels<Format>(images, tile.image, 2 * tile.row + 1);
    const Index stride = images.pixel_stride;
    for (Index t = 0; t < count; ++t) {
      const Index x = 2 * (tile.column + t);
      const bool second = x + 1 < images.width;
      const float* source = data + (first + t) * from.channels;
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
        Format::store(row0 + at, upper[0] + upper[1] + upper[2]);
        if (second) Format::store(row0 + at + stride, upper[1] - upper[2] - upper[3]);
        if (row1 == nullptr) continue;
        Format::store(row1 + at, lower[0] + lower[1] + lower[2]);
        if (second) Format::store(row1 + at + stride, lower[1] - lower[2] - lower[3]);
      }
    }
  });
}

/// A dY A^T: the transposed of the output's transform.
template <class Format, class Layout>
inline void transform_gradient(const Images& images, TileRange tiles,
                               const Transformed& transformed) {
  const Layout to(transformed);
  for_each_run(images, tiles, [&](const Tile& tile, Index first, Index count) {
    const auto* const row0 = pixels<Format>(images, tile.image, 2 * tile.row);
    const auto* const row1 = pixels<Format>(images, tile.image, 2 * tile.row + 1);
    const Index stride = images.pixel_stride;
    const Vector zero = {};
    for (Index t = 0; t < count; ++t) {
      const Index x = 2 * (tile.column + t);
      const bool second = x + 1 < images.width;
      for (Index c = 0; c < transformed.channels; c += lanes) {
        const Index at = x * stride + c;
        const Vector y00 = Format::load(row0 + at);
        const Vector y01 = second ? Format::load(row0 + at + stride) : zero;
        const Vector y10 = row1 != nullptr ? Format::load(row1 + at) : zero;
        const Vector y11 = row1 != nullptr && second ? Format::load(row1 + at + stride) : zero;
        const Vector left[4] = {y00, y00 + y10, y00 - y10, -y10};
        const Vector right[4] = {y01, y01 + y11, y01 - y11, -y11};
        for (int r = 0; r < 4; ++r) {
          to.put(first + t, c, 4 * r, left[r]);
          to.put(first + t, c, 4 * r + 1, left[r] + right[r]);
          to.put(first + t, c, 4 * r + 2, left[r] - right[r]);
          to.put(first + t, c, 4 * r + 3, -right[r]);
        }
      }
    }
  });
}

/// Where element [row, column] of the right side of a product lies, in values: panels of words, the
/// values of a word being those of consecutive rows.
template <class Format>
struct Panels {
  static constexpr Index in_word = 4 / sizeof(typename Format::Value);
  Index depth, panel;

  Panels(Index rows, Index columns) : depth(rows), panel(panel_columns(columns)) {}
  Index at(Index row, Index column) const {
    return (column / panel * (depth / in_word) + row / in_word) * panel * in_word +
           column % panel * in_word + row % in_word;
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

/// Squares of inputs and outputs are transposed on the way.
template <class Format>
inline void transform_weight(const Weight& weight, OutputRange range, void* to) {
  using Value = typename Format::Value;
  constexpr Index in_word = Panels<Format>::in_word;
  const Panels<Format> panels(weight.inputs, weight.outputs);
  const Index element_stride = weight.inputs * weight.outputs;
  Value square[elements][lanes / in_word][channel_unit][in_word];  // [e, word of c, k, c in word]
  for (Index k = range.begin; k < range.end; k += channel_unit) {
    for (Index c = 0; c < weight.inputs; c += lanes) {
      for (Index i = 0; i < channel_unit; ++i) {
        Vector g[3][3];
        Vector u[4][4];
        load_filter(weight, k + i, c, false, g);
        transform_filter(g, u);
        for (Index e = 0; e < elements; ++e) {
          Value values[lanes];
          Format::store(values, u[e / 4][e % 4]);
          for (Index lane = 0; lane < lanes; ++lane) {
            square[e][lane / in_word][i][lane % in_word] = values[lane];
          }
        }
      }
      for (Index e = 0; e < elements; ++e) {
        for (Index word = 0; word < lanes / in_word; ++word) {
          Value* const at =
              static_cast<Value*>(to) + e * element_stride + panels.at(c + word * in_word, k);
          const Value* const from = &square[e][word][0][0];
          for (Index i = 0; i < channel_unit * in_word; ++i) at[i] = from[i];
        }
      }
    }
  }
}

template <class Format>
inline void transform_turned_weight(const Weight& weight, OutputRange range, void* to) {
  using Value = typename Format::Value;
  constexpr Index in_word = Panels<Format>::in_word;
  const Panels<Format> panels(weight.outputs, weight.inputs);
  const Index element_stride = weight.inputs * weight.outputs;
  for (Index k = range.begin; k < range.end; ++k) {
    for (Index c = 0; c < weight.inputs; c += lanes) {
      Vector g[3][3];
      Vector u[4][4];
      load_filter(weight, k, c, true, g);
      transform_filter(g, u);
      for (Index e = 0; e < elements; ++e) {
        Value values[lanes];
        Format::store(values, u[e / 4][e % 4]);
        Value* const at = static_cast<Value*>(to) + e * element_stride + panels.at(k, c);
        for (Index lane = 0; lane < lanes; ++lane) at[lane * in_word] = values[lane];
      }
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

/// The table of a format; `Pairs` lays tiles out as pairs.
template <class Format, class Pairs>
constexpr Kernels kernels_of() {
  return {
      .value_bytes = sizeof(typename Format::Value),
      .values_per_word = Panels<Format>::in_word,
      .weight = transform_weight<Format>,
      .turned_weight = transform_turned_weight<Format>,
      .weight_gradient = transform_weight_gradient,
      .input = transform_input<Format, Rows<Format>>,
      .input_pairs = transform_input<Format, Pairs>,
      .gradient_pairs = transform_gradient<Format, Pairs>,
      .output = transform_output<Format>,
      .multiply = multiply<Format>,
      .panel = panel_columns,
  };
}

}  // namespace
}  // namespace harmofl::winograd
