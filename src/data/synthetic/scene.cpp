// SPDX-License-Identifier: Apache-2.0
// Nuclei are ellipses with soft edges that seldom overlap. Cells without a visible nucleus look
// like them but for the stain they take up, so that colour matters as much as shape. Tissue and
// chromatin get their texture from a few plane waves: smooth, cheap, the same at every image size.
#include "data/synthetic/scene.hpp"

#include <torch/types.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace harmofl {
namespace {

constexpr double min_radius_px = 3.5;
constexpr double max_radius_px = 7.0;
constexpr double area_per_nucleus_px = 420.0;  ///< Image area over the number of nuclei.
constexpr double area_per_cell_px = 700.0;     ///< The same for cells that are not nuclei.
constexpr double edge_px = 0.7;                ///< Width of the soft edge.
constexpr double reach = 1.6;                  ///< Beyond it a nucleus leaves no stain.
constexpr int placement_attempts = 20;

/// Puts the cosine of each value in its place; libtorch's takes a fifth of the time of std::cos.
void cosines(std::vector<double>& values) {
  torch::from_blob(values.data(), {std::ssize(values)}, torch::kFloat64).cos_();
}

/// A nucleus, or a cell that has none.
struct Blob {
  double row, column;   ///< Centre, in pixels.
  double radius;        ///< Radius of the circle of the same area.
  double aspect;        ///< Long over short axis.
  double sine, cosine;  ///< Orientation of the long axis.
  double stain;         ///< Amount at the centre.
};

/// Sum of plane waves of unit variance.
class Texture {
 public:
  Texture(double min_wavelength_px, double max_wavelength_px, RngStream& rng) {
    for (Wave& wave : waves_) {
      const double wavelength = rng.uniform(min_wavelength_px, max_wavelength_px);
      const double angle = rng.uniform(0.0, 2.0 * std::numbers::pi);
      wave = {2.0 * std::numbers::pi / wavelength * std::cos(angle),
              2.0 * std::numbers::pi / wavelength * std::sin(angle),
              rng.uniform(0.0, 2.0 * std::numbers::pi)};
    }
  }

  /// Its values at all pixels, row by row.
  std::vector<double> plane(std::int64_t height, std::int64_t width) const {
    const auto pixels = static_cast<std::size_t>(height * width);
    std::vector<double> sum(pixels), phase(pixels);
    for (const Wave& wave : waves_) {
      for (std::int64_t y = 0; y < height; ++y) {
        double* const row = &phase[static_cast<std::size_t>(y * width)];
        const double down = wave.down * static_cast<double>(y);
        for (std::int64_t x = 0; x < width; ++x) {
          row[x] = down + wave.right * static_cast<double>(x) + wave.phase;
        }
      }
      cosines(phase);
      for (std::size_t i = 0; i < pixels; ++i) sum[i] += phase[i];
    }
    const double scale = std::sqrt(2.0 / static_cast<double>(waves_.size()));
    for (double& value : sum) value *= scale;
    return sum;
  }

 private:
  struct Wave {
    double down, right, phase;
  };
  std::array<Wave, 5> waves_{};
};

struct StainRange {
  double least, most;
};
constexpr StainRange nucleus_range{0.40, 0.90};
constexpr StainRange cell_range{0.35, 1.10};

double draw_aspect(Task task, std::int64_t label, RngStream& rng) {
  if (task == Task::segmentation) return rng.uniform(1.0, 1.9);
  return label == 0 ? rng.uniform(1.0, 1.15) : rng.uniform(3.0, 4.0);
}

/// Draws a blob away from those there are; after some attempts an overlap is accepted.
Blob draw_blob(double aspect, StainRange range, std::int64_t height, std::int64_t width,
               const std::vector<Blob>& others, RngStream& rng) {
  const double angle = rng.uniform(0.0, std::numbers::pi);
  Blob blob{0.0,
            0.0,
            rng.uniform(min_radius_px, max_radius_px),
            aspect,
            std::sin(angle),
            std::cos(angle),
            rng.uniform(range.least, range.most)};
  for (int attempt = 0; attempt < placement_attempts; ++attempt) {
    blob.row = rng.uniform(0.0, static_cast<double>(height));
    blob.column = rng.uniform(0.0, static_cast<double>(width));
    const bool free = std::none_of(others.begin(), others.end(), [&](const Blob& other) {
      return std::hypot(other.row - blob.row, other.column - blob.column) <
             1.15 * (other.radius + blob.radius);
    });
    if (free) break;
  }
  return blob;
}

/// Distance from the centre in units of the ellipse: 1 on its outline.
double relative_distance(const Blob& n, double row, double column) {
  const double stretch = std::sqrt(n.aspect);
  const double along = (column - n.column) * n.cosine + (row - n.row) * n.sine;
  const double across = (row - n.row) * n.cosine - (column - n.column) * n.sine;
  return std::hypot(along / (n.radius * stretch), across * stretch / n.radius);
}

/// Adds `blob` to `stain`, where it is the stronger, and its inside to `mask` unless that is null.
void paint(const Blob& blob, const std::vector<double>& texture, std::int64_t height,
           std::int64_t width, std::vector<float>& stain, std::vector<std::uint8_t>* mask) {
  const double extent = reach * blob.radius * std::sqrt(blob.aspect);
  const auto first = [&](double centre) {
    return std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - extent));
  };
  const auto last = [&](double centre, std::int64_t size) {
    return std::min(size - 1, static_cast<std::int64_t>(centre + extent));
  };
  for (std::int64_t y = first(blob.row); y <= last(blob.row, height); ++y) {
    for (std::int64_t x = first(blob.column); x <= last(blob.column, width); ++x) {
      const double distance =
          relative_distance(blob, static_cast<double>(y), static_cast<double>(x));
      if (distance > reach) continue;
      const double outside_px = (distance - 1.0) * blob.radius;
      const double edge = 1.0 / (1.0 + std::exp(outside_px / edge_px));
      const auto pixel = static_cast<std::size_t>(y * width + x);
      const double amount = blob.stain * edge * (1.0 + 0.18 * texture[pixel]);
      stain[pixel] = std::max(stain[pixel], static_cast<float>(amount));
      if (mask != nullptr && distance <= 1.0) (*mask)[pixel] = 1;
    }
  }
}

/// Number of blobs when one takes `area_px` on average.
std::int64_t draw_count(double area_px, std::int64_t height, std::int64_t width, RngStream& rng) {
  const double expected = static_cast<double>(height * width) / area_px;
  return std::max<std::int64_t>(1, std::llround(expected * rng.uniform(0.6, 1.2)));
}

}  // namespace

Scene draw_scene(Task task, std::int64_t label, std::int64_t height, std::int64_t width,
                 RngStream& rng) {
  const auto pixels = static_cast<std::size_t>(height * width);
  Scene scene{std::vector<float>(pixels), std::vector<float>(pixels),
              std::vector<std::uint8_t>(pixels)};
  const std::vector<double> tissue = Texture(18.0, 60.0, rng).plane(height, width);
  const std::vector<double> fibres = Texture(4.0, 9.0, rng).plane(height, width);
  const std::vector<double> chromatin = Texture(3.0, 6.0, rng).plane(height, width);
  const double tissue_level = rng.uniform(0.2, 0.45);
  for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
    const double amount = tissue_level * (1.0 + 0.25 * tissue[pixel] + 0.12 * fibres[pixel]);
    scene.tissue_stain[pixel] = static_cast<float>(std::max(0.0, amount));
    scene.nuclear_stain[pixel] = static_cast<float>(std::max(0.0, 0.15 * amount));
  }

  std::vector<Blob> blobs;
  const std::int64_t nuclei = draw_count(area_per_nucleus_px, height, width, rng);
  for (std::int64_t i = 0; i < nuclei; ++i) {
    const double aspect = draw_aspect(task, label, rng);
    blobs.push_back(draw_blob(aspect, nucleus_range, height, width, blobs, rng));
    paint(blobs.back(), chromatin, height, width, scene.nuclear_stain, &scene.mask);
  }
  const std::int64_t cells = draw_count(area_per_cell_px, height, width, rng);
  for (std::int64_t i = 0; i < cells; ++i) {
    blobs.push_back(draw_blob(rng.uniform(1.0, 1.9), cell_range, height, width, blobs, rng));
    paint(blobs.back(), chromatin, height, width, scene.tissue_stain, nullptr);
  }
  return scene;
}

}  // namespace harmofl
