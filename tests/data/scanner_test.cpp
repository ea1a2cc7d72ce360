// SPDX-License-Identifier: Apache-2.0
#include "data/synthetic/scanner.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

namespace harmofl {
namespace {

constexpr std::int64_t side = 33;
constexpr std::int64_t centre = side / 2;

/// A scanner that adds no noise, so that its bytes can be told.
ScannerParameters noiseless() {
  ScannerParameters scanner;
  scanner.noise = 0.0;
  return scanner;
}

/// Three planes of `background` with the value `point` at their centre.
std::vector<float> scene(float background, float point) {
  std::vector<float> image(3 * side * side, background);
  for (std::int64_t plane = 0; plane < 3; ++plane) {
    image[static_cast<std::size_t>((plane * side + centre) * side + centre)] = point;
  }
  return image;
}

std::vector<int> scanned(const ScannerParameters& scanner, const std::vector<float>& image) {
  RngStream noise(1, RoundId{0}, ClientId{0}, RngPurpose::synthesis);
  std::vector<int> pixels;
  for (const std::byte byte : scan(scanner, image, side, side, noise)) {
    pixels.push_back(static_cast<int>(byte));
  }
  return pixels;
}

TEST(Scanner, leaves_a_flat_scene_flat_whatever_its_optics) {
  ScannerParameters scanner = noiseless();
  scanner.blur_px = 1.3;
  scanner.band_gain = 0.7;
  EXPECT_THAT(scanned(scanner, scene(0.6F, 0.6F)), testing::Each(153));  // 255 * 0.6
}

TEST(Scanner, blurs_a_point_to_the_product_of_two_gaussians) {
  ScannerParameters scanner = noiseless();
  scanner.blur_px = 1.5;
  // Cut off after 5 pixels, beyond three standard deviations, and of sum 1.
  double sum = 0.0;
  for (int i = -5; i <= 5; ++i) sum += std::exp(-0.5 * i * i / 2.25);
  const std::vector<int> seen = scanned(scanner, scene(0.0F, 1.0F));
  for (std::int64_t y = 0; y < side; ++y) {
    for (std::int64_t x = 0; x < side; ++x) {
      const double dy = std::abs(static_cast<double>(y - centre));
      const double dx = std::abs(static_cast<double>(x - centre));
      const bool within = dy <= 5 && dx <= 5;
      const double expected =
          within ? 255.0 * std::exp(-0.5 * (dy * dy + dx * dx) / 2.25) / (sum * sum) : 0.0;
      EXPECT_NEAR(seen[static_cast<std::size_t>(y * side + x)], expected, 0.51) << y << ' ' << x;
    }
  }
}

TEST(Scanner, exposes_by_gain_cast_and_gamma) {
  ScannerParameters scanner = noiseless();
  scanner.gain = 0.8;
  scanner.colour_cast = {1.0, 0.5, 2.0};
  scanner.gamma = 2.0;
  const std::vector<int> seen = scanned(scanner, scene(0.5F, 0.5F));
  EXPECT_EQ(seen[0], 41);                 // 255 * 0.4^2
  EXPECT_EQ(seen[side * side], 10);       // 255 * 0.2^2
  EXPECT_EQ(seen[2 * side * side], 163);  // 255 * 0.8^2
}

TEST(Scanner, of_a_site_draws_every_property_by_itself) {
  const ScannerParameters site = scanner_of_site(3, 1, 1.0);
  const std::vector<double> logs{
      std::log(site.gain) / 0.30, std::log(site.gamma) / 0.55, std::log(site.colour_cast[0]) / 0.25,
      std::log(site.colour_cast[1]) / 0.25, std::log(site.colour_cast[2]) / 0.25};
  for (std::size_t i = 0; i < logs.size(); ++i) {
    EXPECT_NE(logs[i], 0.0) << i;
    for (std::size_t j = 0; j < i; ++j) EXPECT_GT(std::abs(logs[i] - logs[j]), 1e-9) << i << j;
  }
}

TEST(Scanner, of_many_sites_fills_the_ranges_that_the_header_states) {
  double gain = 0.0, gamma = 0.0, cast = 0.0, blur = 0.0, low_band = 0.0, high_band = 0.0;
  double noise = 0.0;
  for (std::int64_t site = 0; site < 2000; ++site) {
    const ScannerParameters scanner = scanner_of_site(11, site, 1.0);
    gain = std::max(gain, std::abs(std::log(scanner.gain)));
    gamma = std::max(gamma, std::abs(std::log(scanner.gamma)));
    cast = std::max(cast, std::abs(std::log(scanner.colour_cast[1])));
    blur = std::max(blur, scanner.blur_px);
    low_band = std::min(low_band, scanner.band_gain);
    high_band = std::max(high_band, scanner.band_gain);
    noise = std::max(noise, scanner.noise);
  }
  // An additive recurrence of 2,000 places leaves no gap of a hundredth of [-1, 1).
  EXPECT_NEAR(gain, 0.30, 0.30 / 100);
  EXPECT_NEAR(gamma, 0.55, 0.55 / 100);
  EXPECT_NEAR(cast, 0.25, 0.25 / 100);
  EXPECT_NEAR(blur, 0.90, 0.90 / 100);
  EXPECT_NEAR(low_band, -0.5, 0.01);
  EXPECT_NEAR(high_band, 1.0, 0.02);
  EXPECT_NEAR(noise, 0.028, 0.0003);
}

TEST(Scanner, of_a_site_without_shift_changes_nothing) {
  const ScannerParameters scanner = scanner_of_site(5, 2, 0.0);
  EXPECT_EQ(scanner.to_json(), ScannerParameters{}.to_json());
}

}  // namespace
}  // namespace harmofl
