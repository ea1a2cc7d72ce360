// SPDX-License-Identifier: Apache-2.0
/// The inner loops of Winograd's F(2x2, 3x3), compiled once for every instruction set that they are
/// vectorised for; conv3x3.cpp strings them together. Nothing here includes the standard library or
/// libtorch: a function of theirs that is compiled for a newer processor must not be the one that
/// the linker keeps.
///
/// Images are channels-last; their values are those of the kernels' format, float32 or bfloat16. A
/// tile is 2x2 pixels of the output, and the 4x4 pixels of the input around it; tiles are numbered
/// image by image, row by row. "Element e" of a transformed tile is one of its 4x4 = 16 values.
#pragma once

namespace harmofl::winograd {

using Index = long long;

inline constexpr Index elements = 16;
/// Channels come in multiples of this.
inline constexpr Index channel_unit = 16;

/// A channels-last image tensor, or a range of the channels of one; strides in values.
struct Images {
  void* data;
  Index height, width;
  Index pixel_stride;  ///< Between neighbouring pixels; a row has width * pixel_stride.

  Index tile_rows() const { return (height + 1) / 2; }
  Index tile_columns() const { return (width + 1) / 2; }
};

/// Tiles [begin, end) of all.
struct TileRange {
  Index begin, end;
};

/// Where transformed tiles lie. As rows, element e of tile t, channel c, is value
/// e * element_stride + (t - begin) * channels + c.
///
/// Products read words of 32 bits: a float32, or two bfloat16 values that neighbour each other in
/// the dimension that is summed over. Rows of channels are such words where the sum goes over the
/// channels. For sums over tiles, two tiles are laid out as pairs: tiles t and t + 1, t - begin
/// being even, share word e * (element_stride / 2) + (t - begin) / 2 * channels + c.
struct Transformed {
  void* data;
  Index element_stride, channels;
};

/// C[m, n] = (C +) sum_d A[m, d] B[d, n], where A and B consist of words, and B is cut into panels
/// of Kernels::panel(columns) columns.
struct Product {
  Index rows, columns;
  Index depth;  ///< Of words.
  const void* a;
  Index a_row, a_depth;  ///< Strides, in words.
  const void* b;
  Index b_row, b_panel;  ///< Strides, in words, of a row of B, and from one panel to the next.
  float* c;
  Index c_row;
  bool add;
};

/// The float32 weight [K, C, 3, 3] of a convolution, channels-last: w[k, c, r, s] is
/// data[((k * 3 + r) * 3 + s) * C + c].
struct Weight {
  float* data;
  Index outputs, inputs;  ///< K, C.
};

/// Output channels [begin, end), both multiples of `channel_unit`.
struct OutputRange {
  Index begin, end;
};

struct Kernels {
  Index value_bytes;      ///< Of images and transformed tiles.
  Index values_per_word;  ///< 4 / value_bytes.

  /// U = G g G^T, cut into panels as the right side of a product: element e of w[k, c] belongs to
  /// row c and column k of U_e.
  void (*weight)(const Weight& weight, OutputRange range, void* to);
  /// The same of g turned by 180 degrees, in row k and column c: for the gradient of the images.
  void (*turned_weight)(const Weight& weight, OutputRange range, void* to);
  /// g = G^T U G of the sums U_e [K, C].
  void (*weight_gradient)(const float* from, OutputRange range, const Weight& to);

  /// V = B^T d B of the input's tiles, as rows; pixels outside the image are 0.
  void (*input)(const Images& images, TileRange tiles, const Transformed& to);
  /// The same as pairs.
  void (*input_pairs)(const Images& images, TileRange tiles, const Transformed& to);
  /// Z = A dY A^T of the gradient of the output, as pairs; pixels outside are 0.
  void (*gradient_pairs)(const Images& images, TileRange tiles, const Transformed& to);
  /// Y = A^T M A into the output's pixels; M is float32.
  void (*output)(const Transformed& from, TileRange tiles, const Images& images);

  void (*multiply)(const Product& product);
  /// Columns of a panel of B for products with so many columns.
  Index (*panel)(Index columns);
};

extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
extern const Kernels avx512_bfloat16_kernels;

}  // namespace harmofl::winograd
