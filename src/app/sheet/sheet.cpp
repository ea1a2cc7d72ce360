// SPDX-License-Identifier: Apache-2.0
#include "app/sheet/sheet.hpp"

#include "harmofl/base/error.hpp"
#include "harmofl/data/client_data.hpp"
#include "harmofl/data/partition.hpp"

#include <torch/fft.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace harmofl {
namespace {

constexpr std::int64_t tile = 128;    ///< Longer side of an image, pixels.
constexpr std::int64_t examples = 6;  ///< Images of a site.
constexpr std::int64_t gap = 8;
constexpr std::int64_t swatch = 48;  ///< Width of the mean colour.
constexpr std::int64_t bins = 128;   ///< Of a histogram, a pixel wide each.
constexpr Colour white{255, 255, 255};
constexpr Colour outline{255, 255, 0};
constexpr std::array<Colour, 3> channel_colours{{{255, 80, 80}, {80, 255, 80}, {110, 140, 255}}};

/// Positions spread evenly over `count`, `most` of them at most.
std::vector<std::int64_t> spread_evenly(std::int64_t count, std::int64_t most) {
  const std::int64_t taken = std::min(count, most);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < taken; ++i) rows.push_back(i * count / taken);
  return rows;
}

torch::Tensor mean_spectrum(const torch::Tensor& images, double scale) {
  const torch::Tensor seen = images.to(torch::kFloat64) / scale;
  const torch::Tensor amplitude = torch::fft::fft2(seen).abs().mean(torch::IntArrayRef({0, 1}));
  return torch::fft::fftshift(torch::log1p(amplitude));
}

std::uint8_t shade(double value) {
  return static_cast<std::uint8_t>(std::lround(255.0 * std::clamp(value, 0.0, 1.0)));
}

/// Height and width of a tile for images of that size.
std::pair<std::int64_t, std::int64_t> tile_size(std::int64_t height, std::int64_t width) {
  const double scale = static_cast<double>(tile) / static_cast<double>(std::max(height, width));
  const auto side = [&](std::int64_t pixels) {
    return std::max<std::int64_t>(1, std::llround(scale * static_cast<double>(pixels)));
  };
  return {side(height), side(width)};
}

/// [..., H, W] as [..., h, w] of a tile: means of what each pixel covers.
torch::Tensor to_tile(const torch::Tensor& planes) {
  const auto [height, width] = tile_size(planes.size(-2), planes.size(-1));
  return at::_adaptive_avg_pool2d(planes.to(torch::kFloat64).contiguous(), {height, width});
}

/// Draws planes [C, h, w] of values from 0 to 1: three as a colour, else the first as grey.
void draw_planes(Canvas& canvas, std::int64_t x, std::int64_t y, const torch::Tensor& planes) {
  const auto values = planes.accessor<double, 3>();
  const bool coloured = planes.size(0) == 3;
  for (std::int64_t row = 0; row < planes.size(1); ++row) {
    for (std::int64_t column = 0; column < planes.size(2); ++column) {
      const auto at = [&](std::int64_t c) { return shade(values[coloured ? c : 0][row][column]); };
      canvas.set(x + column, y + row, {at(0), at(1), at(2)});
    }
  }
}

/// Draws where the class of a mask [H, W] changes, seen in a tile.
void draw_outline(Canvas& canvas, std::int64_t x, std::int64_t y, const torch::Tensor& mask) {
  const auto [height, width] = tile_size(mask.size(0), mask.size(1));
  const auto classes = mask.accessor<std::uint8_t, 2>();
  const auto at = [&, h = height, w = width](std::int64_t row, std::int64_t column) {
    return classes[row * mask.size(0) / h][column * mask.size(1) / w];
  };
  for (std::int64_t row = 0; row < height; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      const bool edge = (row + 1 < height && at(row, column) != at(row + 1, column)) ||
                        (column + 1 < width && at(row, column) != at(row, column + 1));
      if (edge) canvas.set(x + column, y + row, outline);
    }
  }
}

/// Draws how often values from 0 to 1 of each channel of `images` come; the most frequent is `tile`
/// high.
void draw_histogram(Canvas& canvas, std::int64_t x, std::int64_t y, const torch::Tensor& images) {
  canvas.fill(x, y, bins, tile, {32, 32, 32});
  std::vector<torch::Tensor> counts;
  double most = 1.0;
  const std::int64_t channels = std::min<std::int64_t>(images.size(1), 3);
  for (std::int64_t c = 0; c < channels; ++c) {
    counts.push_back(torch::histc(images.select(1, c), bins, 0, 1).to(torch::kFloat64));
    most = std::max(most, counts.back().max().item<double>());
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    const Colour colour = channels == 3 ? channel_colours[static_cast<std::size_t>(c)] : white;
    for (std::int64_t bin = 0; bin < bins; ++bin) {
      const double share = counts[static_cast<std::size_t>(c)][bin].item<double>() / most;
      const auto height = std::llround(share * static_cast<double>(tile - 1));
      canvas.set(x + bin, y + tile - 1 - height, colour);
    }
  }
}

/// What is common to all rows.
struct Scales {
  double full = 255.0;  ///< The stored value that is shown as white.
  double spectrum_least = 0.0, spectrum_most = 1.0;
};

Scales scales_of(const std::vector<SiteLook>& sites) {
  Scales scales{1.0, sites.front().spectrum.min().item<double>(), 0.0};
  for (const SiteLook& site : sites) {
    const auto most = site.images.max().item<double>();
    scales.full = std::max({scales.full, site.bytes ? 255.0 : 1.0, most});
    scales.spectrum_least = std::min(scales.spectrum_least, site.spectrum.min().item<double>());
    scales.spectrum_most = std::max(scales.spectrum_most, site.spectrum.max().item<double>());
  }
  return scales;
}

void draw_site(Canvas& canvas, std::int64_t y, const SiteLook& site, const Scales& scales) {
  canvas.write(gap, y, concat(site.site, "  ", site.count, " images"), white);
  y += Canvas::line_height;
  const std::vector<std::int64_t> shown = spread_evenly(site.images.size(0), examples);
  std::int64_t x = gap;
  for (const std::int64_t row : shown) {
    draw_planes(canvas, x, y, to_tile(site.images[row]) / scales.full);
    if (site.masks.defined()) draw_outline(canvas, x, y, site.masks[row]);
    x += tile + gap;
  }
  x = gap + examples * (tile + gap);
  const auto mean = [&](std::int64_t channel) {
    const bool coloured = site.mean.size(0) == 3;
    return shade(site.mean[coloured ? channel : 0].item<double>() / scales.full);
  };
  canvas.fill(x, y, swatch, tile, {mean(0), mean(1), mean(2)});
  x += swatch + gap;
  draw_histogram(canvas, x, y, site.images / scales.full);
  x += bins + gap;
  const double range = std::max(scales.spectrum_most - scales.spectrum_least, 1e-12);
  draw_planes(canvas, x, y, (to_tile(site.spectrum.unsqueeze(0)) - scales.spectrum_least) / range);
}

std::string numbers(const torch::Tensor& values, double scale) {
  std::vector<std::string> texts;
  for (std::int64_t i = 0; i < values.numel(); ++i) {
    texts.push_back(fixed(values[i].item<double>() / scale, 4));
  }
  return join(texts, " ");
}

}  // namespace

SiteLook look_at(const std::filesystem::path& shard, std::int64_t most) {
  ShardPool pool({shard});
  const ShardReader& reader = pool.open(0);
  const std::int64_t count = reader.count(Split::train);
  HARMOFL_VALIDATE(count > 0, shard.string(), ": has no training images to show. Prepare it with ",
                   "another --split.");
  ClientPart part{reader.info().site};
  for (const std::int64_t row : spread_evenly(count, most)) part.samples[0].push_back({0, row});
  const ClientData data = load_client(part, pool, torch::kCPU);
  const Samples& samples = data.split(Split::train);
  SiteLook look;
  look.site = reader.info().site;
  look.count = count;
  look.scale = samples.intensity_scale;
  look.bytes = reader.info().pixel_type == PixelType::uint8;
  look.images = samples.images.to(torch::kFloat32);
  if (data.task == Task::segmentation) look.masks = samples.targets;
  look.mean = samples.images.to(torch::kFloat64).mean({0, 2, 3});
  look.spectrum = mean_spectrum(samples.images, samples.intensity_scale);
  return look;
}

Canvas draw_sheet(const std::vector<SiteLook>& sites) {
  HARMOFL_EXPECT(!sites.empty());
  const std::int64_t row_height = Canvas::line_height + tile + gap;
  const std::int64_t width = gap + examples * (tile + gap) + swatch + gap + bins + gap + tile + gap;
  Canvas canvas(width, gap + std::ssize(sites) * row_height);
  const Scales scales = scales_of(sites);
  std::int64_t y = gap;
  for (const SiteLook& site : sites) {
    draw_site(canvas, y, site, scales);
    y += row_height;
  }
  return canvas;
}

std::string sheet_legend(const std::vector<SiteLook>& sites) {
  const Scales scales = scales_of(sites);
  std::string text = concat(
      "From left to right: ", examples, " training images", " with the outlines of their masks, ",
      "mean colour, histogram of each channel, mean amplitude spectrum, ln(1 + A), from ",
      fixed(scales.spectrum_least, 4), " (black) to ", fixed(scales.spectrum_most, 4),
      " (white). Stored values are shown from 0 (black) to ", scales.full, " (white).\n");
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const SiteLook& site = sites[i];
    text += concat("row ", i + 1, ": ", printable(site.site), ", ", site.images.size(0), " of ",
                   site.count, " images, mean ", numbers(site.mean, site.scale),
                   " as the network sees them\n");
  }
  return text;
}

}  // namespace harmofl
