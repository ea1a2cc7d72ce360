// SPDX-License-Identifier: Apache-2.0
// The optics are sums of Gaussian filters: symmetric kernels, whose transfer function is real, so
// that they change amplitudes and leave phases alone. Written out in plain loops: the images are
// small, and the result does not depend on a number of threads.
#include "data/synthetic/scanner.hpp"

#include <nlohmann/json.hpp>
#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

namespace harmofl {
namespace {

constexpr double band_inner_px = 0.8;  ///< The band lies between these two Gaussians.
constexpr double band_outer_px = 2.4;
constexpr double min_blur_px = 0.05;

/// A number in [-1, 1) for property `property` of site `site`: the sites of one federation follow
/// an additive recurrence with an irrational step, which spreads any number of them evenly.
double spread(std::uint64_t seed, std::int64_t site, int property) {
  static constexpr std::array<double, 8> roots_of_primes{
      1.4142135623730951, 1.7320508075688772, 2.23606797749979,  2.6457513110645907,
      3.3166247903554,    3.605551275463989,  4.123105625617661, 4.358898943540674};
  const std::uint64_t mixed = mix64(seed ^ mix64(static_cast<std::uint64_t>(property)));
  const double start = static_cast<double>(mixed >> 11) / 9007199254740992.0;  // 53 bits
  const double step = roots_of_primes[static_cast<std::size_t>(property)];
  const double place = start + static_cast<double>(site) * step;
  return 2.0 * (place - std::floor(place)) - 1.0;
}

/// Half of a Gaussian's kernel, from its centre outwards, of sum 1 as a whole.
std::vector<float> gaussian(double sigma_px) {
  const auto taps = static_cast<std::size_t>(std::ceil(3.0 * sigma_px)) + 1;
  std::vector<double> half(taps);
  double sum = 0.0;
  for (std::size_t i = 0; i < taps; ++i) {
    const double distance = static_cast<double>(i) / sigma_px;
    half[i] = std::exp(-0.5 * distance * distance);
    sum += (i == 0 ? 1.0 : 2.0) * half[i];
  }
  std::vector<float> kernel(taps);
  std::transform(half.begin(), half.end(), kernel.begin(),
                 [&](double value) { return static_cast<float>(value / sum); });
  return kernel;
}

/// Filters `lines` of values side by side, `width` in each, across the lines: value by value as one
/// line along its values. Beyond the ends the lines are mirrored.
void filter_across(const float* in, float* out, std::int64_t lines, std::int64_t width,
                   const std::vector<float>& kernel) {
  const std::int64_t period = 2 * lines;
  const auto line = [&](std::int64_t i) {
    i = ((i % period) + period) % period;
    return in + std::min(i, period - 1 - i) * width;
  };
  for (std::int64_t i = 0; i < lines; ++i) {
    float* const sum = out + i * width;
    const float* const centre = line(i);
    for (std::int64_t x = 0; x < width; ++x) sum[x] = kernel[0] * centre[x];
    for (std::int64_t k = 1; k < std::ssize(kernel); ++k) {
      const float *const before = line(i - k), *const after = line(i + k);
      const float weight = kernel[static_cast<std::size_t>(k)];
      for (std::int64_t x = 0; x < width; ++x) sum[x] += weight * (before[x] + after[x]);
    }
  }
}

/// [height, width] with rows and columns exchanged.
std::vector<float> transposed(const float* plane, std::int64_t height, std::int64_t width) {
  std::vector<float> result(static_cast<std::size_t>(height * width));
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      result[static_cast<std::size_t>(x * height + y)] = plane[y * width + x];
    }
  }
  return result;
}

/// A Gaussian blur of every plane of `image`, rows first.
std::vector<float> blurred(const std::vector<float>& image, std::int64_t height, std::int64_t width,
                           double sigma_px) {
  if (sigma_px < min_blur_px) return image;
  const std::vector<float> kernel = gaussian(sigma_px);
  std::vector<float> along_rows(static_cast<std::size_t>(height * width));
  std::vector<float> result(image.size());
  for (std::int64_t plane = 0; plane < std::ssize(image); plane += height * width) {
    const std::vector<float> columns =
        transposed(&image[static_cast<std::size_t>(plane)], height, width);
    filter_across(columns.data(), along_rows.data(), width, height, kernel);
    const std::vector<float> rows = transposed(along_rows.data(), width, height);
    filter_across(rows.data(), &result[static_cast<std::size_t>(plane)], height, width, kernel);
  }
  return result;
}

std::vector<float> through_optics(const ScannerParameters& scanner, std::vector<float> image,
                                  std::int64_t height, std::int64_t width) {
  if (scanner.band_gain != 0.0) {
    const std::vector<float> inner = blurred(image, height, width, band_inner_px);
    const std::vector<float> outer = blurred(image, height, width, band_outer_px);
    const auto gain = static_cast<float>(scanner.band_gain);
    for (std::size_t i = 0; i < image.size(); ++i) image[i] += gain * (inner[i] - outer[i]);
  }
  return blurred(image, height, width, scanner.blur_px);
}

}  // namespace

std::string ScannerParameters::to_json() const {
  return nlohmann::json{
      {"gain", gain},       {"gamma", gamma},         {"colour_cast", colour_cast},
      {"blur_px", blur_px}, {"band_gain", band_gain}, {"noise", noise}}
      .dump();
}

ScannerParameters scanner_of_site(std::uint64_t seed, std::int64_t site, double shift) {
  const auto moved = [&](int property) { return shift * spread(seed, site, property); };
  ScannerParameters scanner;
  scanner.gain = std::exp(0.30 * moved(0));
  scanner.gamma = std::exp(0.55 * moved(1));
  scanner.colour_cast = {std::exp(0.25 * moved(2)), std::exp(0.25 * moved(3)),
                         std::exp(0.25 * moved(4))};
  scanner.blur_px = 0.45 * (shift + moved(5));
  scanner.band_gain = std::exp2(moved(6)) - 1.0;
  scanner.noise += 0.01 * (shift + moved(7));
  return scanner;
}

// As RngStream::normal and std::pow do it value by value; libtorch's functions take a third of
// their time, and may differ in the last bit of a double, of which a byte knows nothing.
std::vector<std::byte> scan(const ScannerParameters& scanner, std::vector<float> reflectance,
                            std::int64_t height, std::int64_t width, RngStream& noise) {
  const std::vector<float> seen = through_optics(scanner, std::move(reflectance), height, width);
  const auto pixels = static_cast<std::size_t>(height * width);
  std::vector<double> light(seen.size()), radius(seen.size()), angle(seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    light[i] =
        std::clamp(scanner.gain * scanner.colour_cast[i / pixels] * double{seen[i]}, 0.0, 1.0);
    radius[i] = 1.0 - noise.uniform();
    angle[i] = 2.0 * std::numbers::pi * noise.uniform();
  }
  const auto tensor = [](std::vector<double>& values) {
    return torch::from_blob(values.data(), {std::ssize(values)}, torch::kFloat64);
  };
  tensor(light).pow_(scanner.gamma);
  tensor(radius).log_().mul_(-2.0).sqrt_();
  tensor(angle).cos_();
  std::vector<std::byte> stored(seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double grey = std::clamp(light[i] + scanner.noise * (radius[i] * angle[i]), 0.0, 1.0);
    stored[i] = static_cast<std::byte>(std::lround(255.0 * grey));
  }
  return stored;
}

}  // namespace harmofl
