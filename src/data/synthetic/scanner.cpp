// SPDX-License-Identifier: Apache-2.0
// The optics are sums of Gaussian filters: symmetric kernels, whose transfer function is real, so
// that they change amplitudes and leave phases alone. Written out in plain loops: the images are
// small, and the result does not depend on a number of threads.
#include "data/synthetic/scanner.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
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

/// Filters `count` values `stride` apart; the ends are mirrored.
void filter_line(const float* in, float* out, std::int64_t count, std::int64_t stride,
                 const std::vector<float>& kernel) {
  const std::int64_t period = 2 * count;
  const auto mirrored = [&](std::int64_t i) {
    i = ((i % period) + period) % period;
    return in[std::min(i, period - 1 - i) * stride];
  };
  const std::int64_t reach = std::ssize(kernel) - 1;
  for (std::int64_t i = 0; i < count; ++i) {
    const bool inside = i >= reach && i + reach < count;
    float sum = kernel[0] * in[i * stride];
    for (std::int64_t k = 1; k <= reach; ++k) {
      const float both =
          inside ? in[(i - k) * stride] + in[(i + k) * stride] : mirrored(i - k) + mirrored(i + k);
      sum += kernel[static_cast<std::size_t>(k)] * both;
    }
    out[i * stride] = sum;
  }
}

/// A Gaussian blur of every plane of `image`, rows first.
std::vector<float> blurred(const std::vector<float>& image, std::int64_t height, std::int64_t width,
                           double sigma_px) {
  if (sigma_px < min_blur_px) return image;
  const std::vector<float> kernel = gaussian(sigma_px);
  std::vector<float> along_rows(image.size());
  std::vector<float> result(image.size());
  for (std::int64_t plane = 0; plane < std::ssize(image); plane += height * width) {
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int64_t first = plane + y * width;
      filter_line(&image[static_cast<std::size_t>(first)],
                  &along_rows[static_cast<std::size_t>(first)], width, 1, kernel);
    }
    for (std::int64_t x = 0; x < width; ++x) {
      const auto first = static_cast<std::size_t>(plane + x);
      filter_line(&along_rows[first], &result[first], height, width, kernel);
    }
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

std::vector<std::byte> scan(const ScannerParameters& scanner, std::vector<float> reflectance,
                            std::int64_t height, std::int64_t width, RngStream& noise) {
  const std::vector<float> seen = through_optics(scanner, std::move(reflectance), height, width);
  const auto pixels = static_cast<std::size_t>(height * width);
  std::vector<std::byte> stored(seen.size());
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const double light = scanner.gain * scanner.colour_cast[i / pixels] * double{seen[i]};
    const double exposed = std::pow(std::clamp(light, 0.0, 1.0), scanner.gamma);
    const double grey = std::clamp(exposed + scanner.noise * noise.normal(), 0.0, 1.0);
    stored[i] = static_cast<std::byte>(std::lround(255.0 * grey));
  }
  return stored;
}

}  // namespace harmofl
