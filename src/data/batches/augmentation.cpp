// SPDX-License-Identifier: Apache-2.0
// Every symmetry of the square is a transposition (or none) followed by flips of the two axes, so
// that each image is rearranged in one pass. With r(k) a rotation by k * 90 degrees as torch::rot90
// turns it: r(1) = transpose, flip rows; r(2) = flip rows and columns; r(3) = transpose, flip
// columns.
#include "data/batches/augmentation.hpp"

#include "data/batches/transfer.hpp"
#include "harmofl/base/error.hpp"

#include <torch/types.h>

#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t rows_axis = -2;
constexpr std::int64_t columns_axis = -1;
constexpr double flip_probability = 0.75;
constexpr std::int64_t symmetries = 8;

/// `image` [..., H, W] turned, maybe a view of it.
torch::Tensor turned(const Symmetry& symmetry, const torch::Tensor& image) {
  std::vector<std::int64_t> axes;
  if (symmetry.flip_rows) axes.push_back(rows_axis);
  if (symmetry.flip_columns) axes.push_back(columns_axis);
  const torch::Tensor t = symmetry.transpose ? image.transpose(rows_axis, columns_axis) : image;
  return axes.empty() ? t : t.flip(axes);
}

void apply(const Symmetry& symmetry, torch::Tensor image) {
  if (symmetry.is_identity()) return;
  const torch::Tensor result = turned(symmetry, image);
  image.copy_(result.is_alias_of(image) ? result.clone() : result);
}

/// All images at once: a row of `sources` says where the pixels of an image come from.
void gather(torch::Tensor& images, torch::Tensor& masks, const torch::Tensor& sources,
            const std::vector<Symmetry>& drawn) {
  std::vector<std::int64_t> rows;
  for (const Symmetry& symmetry : drawn) rows.push_back(symmetry.number());
  const torch::Tensor from = sources.index_select(0, upload(rows, images.device()));  // [B, H W]
  const std::int64_t channels = images.size(1);
  const torch::Tensor pixels = images.flatten(2);
  images.copy_(pixels.gather(2, from.unsqueeze(1).expand({-1, channels, -1})).view_as(images));
  if (masks.defined()) masks.copy_(masks.flatten(1).gather(1, from).view_as(masks));
}

}  // namespace

// The rotation first, then the flip, so that every image takes its draws in the same order.
Symmetry draw_symmetry(std::int64_t height, std::int64_t width, RngStream& rng) {
  std::uint32_t quarters = rng.below(4);
  if (height != width) quarters = 2 * (quarters % 2);
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

void augment(torch::Tensor& images, torch::Tensor& masks, RngStream& rng,
             const torch::Tensor& sources) {
  HARMOFL_EXPECT(images.dim() == 4);
  HARMOFL_EXPECT(!masks.defined() || (masks.dim() == 3 && masks.size(0) == images.size(0)));
  std::vector<Symmetry> drawn;
  for (std::int64_t i = 0; i < images.size(0); ++i) {
    drawn.push_back(draw_symmetry(images.size(rows_axis), images.size(columns_axis), rng));
  }
  if (sources.defined()) {
    gather(images, masks, sources, drawn);
    return;
  }
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    apply(drawn[i], images[index]);
    if (masks.defined()) apply(drawn[i], masks[index]);
  }
}

torch::Tensor pixel_sources(std::int64_t height, std::int64_t width, torch::Device device) {
  const torch::Tensor pixels = torch::arange(height * width).view({height, width});
  std::vector<torch::Tensor> rows;
  for (std::int64_t number = 0; number < symmetries; ++number) {
    Symmetry symmetry = Symmetry::of(number);
    if (height != width) symmetry.transpose = false;
    rows.push_back(turned(symmetry, pixels).flatten());
  }
  return torch::stack(rows).to(device);
}

}  // namespace harmofl
