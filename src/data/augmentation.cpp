// Every symmetry of the square is a transposition (or none) followed by flips of the two axes, so
// that each image is rearranged in one pass. With r(k) a rotation by k * 90 degrees as torch::rot90
// turns it: r(1) = transpose, flip rows; r(2) = flip rows and columns; r(3) = transpose, flip
// columns.
#include "harmofl/data/augmentation.hpp"

#include "harmofl/base/error.hpp"

#include <torch/types.h>

#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t rows_axis = -2;
constexpr std::int64_t columns_axis = -1;
constexpr double flip_probability = 0.75;

struct Symmetry {
  bool transpose = false;
  bool flip_rows = false;     ///< The first row becomes the last.
  bool flip_columns = false;  ///< The first column becomes the last.
};

/// Draws the rotation, then the flip, so that every image takes its draws in the same order.
Symmetry draw(bool square, RngStream& rng) {
  std::uint32_t quarters = rng.below(4);
  if (!square) quarters = 2 * (quarters % 2);
  Symmetry symmetry{.transpose = quarters % 2 == 1,
                    .flip_rows = quarters == 1 || quarters == 2,
                    .flip_columns = quarters == 2 || quarters == 3};
  if (rng.uniform() < flip_probability) {
    const std::uint32_t which = rng.below(3);  // columns, rows, both
    symmetry.flip_columns ^= which != 1;
    symmetry.flip_rows ^= which != 0;
  }
  return symmetry;
}

void apply(const Symmetry& symmetry, torch::Tensor image) {
  std::vector<std::int64_t> axes;
  if (symmetry.flip_rows) axes.push_back(rows_axis);
  if (symmetry.flip_columns) axes.push_back(columns_axis);
  if (!symmetry.transpose && axes.empty()) return;
  const torch::Tensor turned =
      symmetry.transpose ? image.transpose(rows_axis, columns_axis) : image;
  image.copy_(axes.empty() ? turned.clone() : turned.flip(axes));
}

}  // namespace

void augment(torch::Tensor& images, torch::Tensor& masks, RngStream& rng) {
  HARMOFL_EXPECT(images.dim() == 4);
  HARMOFL_EXPECT(!masks.defined() || (masks.dim() == 3 && masks.size(0) == images.size(0)));
  const bool square = images.size(rows_axis) == images.size(columns_axis);
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    const Symmetry symmetry = draw(square, rng);
    apply(symmetry, images[i]);
    if (masks.defined()) apply(symmetry, masks[i]);
  }
}

}  // namespace harmofl
