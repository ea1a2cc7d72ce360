// SPDX-License-Identifier: Apache-2.0
// A symmetry moves pixels along straight lines: one step of the source for a step to the right and
// one for a step down. So a turned image is read where its pixels lie and never stored as such.
#include "data/batches/batch_pixels.hpp"

#include "base/simd.hpp"
#include "harmofl/base/error.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <array>

namespace harmofl {
namespace {

constexpr std::int64_t tile_size = 3072;             ///< Values in stored type on their way.
constexpr std::int64_t values_a_thread = 64 * 1024;  ///< Below, a second thread costs more.

/// Sizes of one image.
struct Extent {
  std::int64_t channels, height, width;

  std::int64_t pixels() const { return height * width; }
  std::int64_t values() const { return channels * pixels(); }
};

/// Where in a stored plane the pixels of an image lie, run by run: run r begins at
/// `start + r * run_step` and goes on in steps of `step`.
struct Path {
  std::int64_t start, run_step, step, runs, length;
};

Path path_of(const Symmetry& turn, const Extent& extent) {
  const std::int64_t width = extent.width;
  // Steps in the stored plane for one row and one column of the result.
  const std::int64_t down = turn.transpose ? 1 : width;
  const std::int64_t right = turn.transpose ? width : 1;
  Path path{0, down, right, extent.height, width};
  if (turn.flip_rows) {
    path.start += (extent.height - 1) * down;
    path.run_step = -down;
  }
  if (turn.flip_columns) {
    path.start += (width - 1) * right;
    path.step = -right;
  }
  if (path.run_step == width * path.step) {  // rows follow upon one another: one run
    path.runs = 1;
    path.length = extent.pixels();
  }
  return path;
}

// The quotient, as in the reference implementations: a product with the reciprocal differs.
template <class Pixel>
HARMOFL_SIMD_INLINE void divide_each(const Pixel* values, std::int64_t count, float scale,
                                     float* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(values[i]) / scale;
}

HARMOFL_SIMD_CLONES void divide_values(const std::uint8_t* values, std::int64_t count, float scale,
                                       float* out) {
  divide_each(values, count, scale, out);
}

HARMOFL_SIMD_CLONES void divide_values(const float* values, std::int64_t count, float scale,
                                       float* out) {
  divide_each(values, count, scale, out);
}

HARMOFL_SIMD_CLONES void widen(const std::uint8_t* values, std::int64_t count, std::int64_t* out) {
  for (std::int64_t i = 0; i < count; ++i) out[i] = values[i];
}

/// Copies `count` pixels of all planes, `plane` apart, to `tile`: channel beside channel.
template <class Pixel>
void interleave(const Pixel* first, std::int64_t plane, std::int64_t channels, std::int64_t step,
                std::int64_t count, Pixel* tile) {
  if (channels == 3) {
    const Pixel *const a = first, *const b = first + plane, *const c = first + 2 * plane;
    for (std::int64_t i = 0; i < count; ++i) {
      tile[3 * i] = a[i * step];
      tile[3 * i + 1] = b[i * step];
      tile[3 * i + 2] = c[i * step];
    }
    return;
  }
  for (std::int64_t channel = 0; channel < channels; ++channel) {
    const Pixel* const from = first + channel * plane;
    for (std::int64_t i = 0; i < count; ++i) tile[i * channels + channel] = from[i * step];
  }
}

/// Calls `convert(values, count, position)` for all values of an image along `path`, in the order
/// of the result: `position` counts its values. `together` planes are interleaved.
template <class Pixel, class Convert>
void walk(const Pixel* plane, const Path& path, std::int64_t together, std::int64_t plane_size,
          const Convert& convert) {
  std::array<Pixel, tile_size> tile;
  const std::int64_t chunk = std::max<std::int64_t>(1, tile_size / together);
  for (std::int64_t run = 0; run < path.runs; ++run) {
    const Pixel* const begin = plane + path.start + run * path.run_step;
    const std::int64_t done = run * path.length;
    if (together == 1 && path.step == 1) {
      convert(begin, path.length, done);
      continue;
    }
    for (std::int64_t at = 0; at < path.length; at += chunk) {
      const std::int64_t count = std::min(chunk, path.length - at);
      interleave(begin + at * path.step, plane_size, together, path.step, count, tile.data());
      convert(tile.data(), count * together, (done + at) * together);
    }
  }
}

Symmetry turn_of(const BatchRows& rows, std::int64_t index) {
  return rows.turns.empty() ? Symmetry{} : rows.turns[static_cast<std::size_t>(index)];
}

/// Calls `work(index, row)` for each sample of the batch, on all threads where it is much.
template <class Work>
void for_each_row(const BatchRows& rows, std::int64_t values, const Work& work) {
  HARMOFL_EXPECT(rows.turns.empty() || rows.turns.size() == rows.rows.size());
  const std::int64_t grain =
      std::max<std::int64_t>(1, values_a_thread / std::max(values, std::int64_t{1}));
  at::parallel_for(0, std::ssize(rows.rows), grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) work(i, rows.rows[static_cast<std::size_t>(i)]);
  });
}

template <class Pixel>
void cut_images_of(const torch::Tensor& images, const BatchRows& rows, float scale,
                   torch::Tensor& out) {
  const Extent extent{images.size(1), images.size(2), images.size(3)};
  const bool dense_planes = extent.channels == 1 || out.is_contiguous();
  const std::int64_t together = dense_planes ? 1 : extent.channels;
  const auto* const stored = images.const_data_ptr<Pixel>();
  auto* const batch = out.mutable_data_ptr<float>();
  for_each_row(rows, extent.values(), [&](std::int64_t index, std::int64_t row) {
    const Path path = path_of(turn_of(rows, index), extent);
    for (std::int64_t channel = 0; channel < extent.channels; channel += together) {
      const Pixel* const plane = stored + row * extent.values() + channel * extent.pixels();
      float* const to = batch + index * extent.values() + channel * extent.pixels();
      walk(plane, path, together, extent.pixels(),
           [&](const Pixel* values, std::int64_t count, std::int64_t position) {
             divide_values(values, count, scale, to + position);
           });
    }
  });
}

}  // namespace

bool can_be_cut(const torch::Tensor& images, const torch::Tensor& targets) {
  const auto dense = [](const torch::Tensor& t) { return t.is_cpu() && t.is_contiguous(); };
  if (!dense(images) || !dense(targets) || images.dim() != 4) return false;
  if (images.size(1) > tile_size) return false;
  const bool pixels =
      images.scalar_type() == torch::kUInt8 || images.scalar_type() == torch::kFloat32;
  const bool labels = targets.dim() == 1 && targets.scalar_type() == torch::kInt64;
  const bool masks = targets.dim() == 3 && targets.scalar_type() == torch::kUInt8;
  return pixels && (labels || masks);
}

void cut_images(const torch::Tensor& images, const BatchRows& rows, double scale,
                torch::Tensor& out) {
  HARMOFL_EXPECT(out.size(0) == std::ssize(rows.rows));
  const auto divisor = static_cast<float>(scale);
  if (images.scalar_type() == torch::kUInt8) {
    cut_images_of<std::uint8_t>(images, rows, divisor, out);
  } else {
    cut_images_of<float>(images, rows, divisor, out);
  }
}

void cut_targets(const torch::Tensor& targets, const BatchRows& rows, torch::Tensor& out) {
  HARMOFL_EXPECT(out.size(0) == std::ssize(rows.rows));
  auto* const batch = out.mutable_data_ptr<std::int64_t>();
  if (targets.dim() == 1) {
    const auto* const labels = targets.const_data_ptr<std::int64_t>();
    std::ranges::transform(rows.rows, batch, [&](std::int64_t row) { return labels[row]; });
    return;
  }
  const Extent extent{1, targets.size(1), targets.size(2)};
  const auto* const masks = targets.const_data_ptr<std::uint8_t>();
  for_each_row(rows, extent.pixels(), [&](std::int64_t index, std::int64_t row) {
    walk(masks + row * extent.pixels(), path_of(turn_of(rows, index), extent), 1, extent.pixels(),
         [&](const std::uint8_t* values, std::int64_t count, std::int64_t position) {
           widen(values, count, batch + index * extent.pixels() + position);
         });
  });
}

}  // namespace harmofl
