// SPDX-License-Identifier: Apache-2.0
/// The products of transformed tiles and weights: blocks of C that stay in registers.
#pragma once

#include "kernels/conv/winograd_vectors.hpp"

namespace harmofl::winograd {
namespace {

/// `rows` x (`vectors` * lanes) elements of C, held in registers.
template <class Format, int rows, int vectors>
inline void multiply_block(const Product& p, const float* a, const float* b, float* c) {
  Vector sums[rows][vectors] = {};
  const Index a_row = p.a_row;
  for (Index d = 0; d < p.depth; ++d, a += p.a_depth, b += p.b_row) {
    Vector right[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) right[v] = load(b + v * lanes);
#pragma GCC unroll 16
    for (int r = 0; r < rows; ++r) {
      const Vector left = Format::broadcast(a + r * a_row);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[r][v] = Format::multiply(left, right[v], sums[r][v]);
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
template <class Format, int max_rows, int vectors>
struct Panel {
  template <int rows>
  static void call(const Product& p, const float* a, const float* b, float* c, Index count) {
    if constexpr (rows > 0) {
      if (count == rows) {
        multiply_block<Format, rows, vectors>(p, a, b, c);
      } else {
        call<rows - 1>(p, a, b, c, count);
      }
    }
  }

  static void multiply(const Product& p, const float* b, float* c) {
    const float* const a = static_cast<const float*>(p.a);  // words of either format
    const Index blocks = (p.rows + max_rows - 1) / max_rows;
    for (Index i = 0; i < blocks; ++i) {
      const Index begin = p.rows * i / blocks;
      const Index end = p.rows * (i + 1) / blocks;
      call<max_rows>(p, a + begin * p.a_row, b, c + begin * p.c_row, end - begin);
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

template <class Format>
inline void multiply(const Product& p) {
  const Index vectors = panel_vectors(p.columns);
  const Index panels = p.columns / (vectors * lanes);
  for (Index i = 0; i < panels; ++i) {
    const float* const b = static_cast<const float*>(p.b) + i * p.b_panel;
    float* const c = p.c + i * vectors * lanes;
#if HARMOFL_VECTOR_BYTES == 64
    if (vectors == 4) Panel<Format, 6, 4>::multiply(p, b, c);
    if (vectors == 2) Panel<Format, 12, 2>::multiply(p, b, c);
    if (vectors == 1) Panel<Format, 14, 1>::multiply(p, b, c);
#else
    if (vectors == 2) Panel<Format, 6, 2>::multiply(p, b, c);
    if (vectors == 1) Panel<Format, 8, 1>::multiply(p, b, c);
#endif
  }
}

}  // namespace
}  // namespace harmofl::winograd
