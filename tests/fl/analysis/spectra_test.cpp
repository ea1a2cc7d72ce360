// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/spectra.hpp"

#include "fl/small_federation.hpp"
#include "harmofl/base/error.hpp"
#include "model/tensors.hpp"

#include <gmock/gmock.h>

#include <cmath>
#include <numbers>
#include <numeric>

namespace harmofl {
namespace {

constexpr std::int64_t height = 16, width = 24;
constexpr double pixels = height * width;

/// a cos(2 pi (u y / H + v x / W)), float64 [1, 1, H, W].
torch::Tensor wave(double a, double u, double v) {
  const torch::Tensor y = torch::arange(height, torch::kFloat64).unsqueeze(1) / height;
  const torch::Tensor x = torch::arange(width, torch::kFloat64).unsqueeze(0) / width;
  return (a * (2.0 * std::numbers::pi * (u * y + v * x)).cos()).view({1, 1, height, width});
}

std::vector<double> spectrum_of(const torch::Tensor& images) {
  RadialSpectrum spectrum(height, width);
  spectrum.add(images);
  return spectrum.means();
}

AmplitudeNormalization normalization(Band band, const Samples& samples) {
  AmplitudeOptions options;
  options.band = band;
  AmplitudeNormalization amplitude(options, 3, 32, 32);
  amplitude.observe(samples.images.to(torch::kFloat32) / samples.intensity_scale);
  return amplitude;
}

/// Spectra of three sites, normalised by the amplitude of the first.
std::vector<SiteSpectra> spectra_with(Band band) {
  const auto small = test::unequal_sites(3);
  const AmplitudeNormalization amplitude =
      normalization(band, small.clients.front().split(Split::train));
  std::vector<SiteSpectra> spectra;
  for (const ClientData& client : small.clients) {
    spectra.push_back(site_spectra(amplitude, client.split(Split::train), 5));
  }
  return spectra;
}

SpectrumSpread spread_of(const std::vector<SiteSpectra>& sites,
                         std::vector<double> SiteSpectra::*which) {
  std::vector<std::vector<double>> all;
  for (const SiteSpectra& site : sites) all.push_back(site.*which);
  return spectrum_spread(all);
}

TEST(RadialSpectrum, counts_the_frequencies_of_each_bin) {
  const RadialSpectrum spectrum(height, width);
  const std::vector<std::int64_t>& counts = spectrum.frequencies();
  ASSERT_EQ(counts.size(), 9U);  // 0..floor(16 / 2)
  EXPECT_EQ(counts[0], 1);
  EXPECT_EQ(counts[1], 8);   // (+-1, 0), (0, +-1), (+-1, +-1)
  EXPECT_EQ(counts[2], 16);  // 4 of length 2, 8 of sqrt 5, 4 of sqrt 8
  EXPECT_LT(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}), height * width);
}

TEST(RadialSpectrum, of_a_constant_image_is_its_sum) {
  const std::vector<double> means = spectrum_of(torch::full({2, 3, height, width}, 0.25));
  EXPECT_NEAR(means[0], 0.25 * pixels, 1e-9);
  for (std::size_t r = 1; r < means.size(); ++r) EXPECT_NEAR(means[r], 0.0, 1e-9) << r;
}

TEST(RadialSpectrum, finds_a_wave_in_the_bin_of_its_length) {
  // (3, 4) has length 5, (0, 3) length 3, (2, 2) length 2.8: bin 2.
  for (const auto& [u, v, bin] : {std::tuple(3.0, 4.0, 5U), {0.0, 3.0, 3U}, {2.0, 2.0, 2U}}) {
    const std::vector<double> means = spectrum_of(wave(0.5, u, v));
    const double count = static_cast<double>(RadialSpectrum(height, width).frequencies()[bin]);
    for (std::size_t r = 0; r < means.size(); ++r) {
      // a cos has two coefficients of a H W / 2
      EXPECT_NEAR(means[r] * (r == bin ? count : 1.0), r == bin ? 0.5 * pixels : 0.0, 1e-8) << r;
    }
  }
}

TEST(RadialSpectrum, holds_the_energy_of_a_wave) {
  const torch::Tensor image = wave(0.7, 3.0, 4.0);
  const double count = static_cast<double>(RadialSpectrum(height, width).frequencies()[5]);
  const double coefficient = spectrum_of(image)[5] * count / 2.0;
  // Parseval: sum x^2 = (1 / (H W)) sum |F|^2
  EXPECT_NEAR(image.square().sum().item<double>(), 2.0 * coefficient * coefficient / pixels, 1e-8);
}

TEST(RadialSpectrum, is_the_mean_over_channels_images_and_batches) {
  const torch::Tensor images = test::random_images({5, 3, height, width}, 1);
  RadialSpectrum in_parts(height, width);
  in_parts.add(images.narrow(0, 0, 3));
  in_parts.add(images.narrow(0, 3, 2));
  const std::vector<double> whole = spectrum_of(images);
  std::vector<double> mean(whole.size(), 0.0);
  for (std::int64_t n = 0; n < 5; ++n) {
    for (std::int64_t c = 0; c < 3; ++c) {
      const std::vector<double> one = spectrum_of(images[n][c].view({1, 1, height, width}));
      for (std::size_t r = 0; r < mean.size(); ++r) mean[r] += one[r] / 15.0;
    }
  }
  for (std::size_t r = 0; r < mean.size(); ++r) {
    EXPECT_NEAR(whole[r], mean[r], 1e-9) << r;
    EXPECT_NEAR(in_parts.means()[r], mean[r], 1e-9) << r;
  }
}

TEST(RadialSpectrum, of_nothing_is_no_number) {
  EXPECT_TRUE(std::isnan(RadialSpectrum(height, width).means()[0]));
}

TEST(SiteSpectra, are_the_same_before_and_after_without_a_band) {
  for (const SiteSpectra& site : spectra_with(Band::off)) {
    EXPECT_EQ(site.before, site.after);
    EXPECT_GT(site.before[0], site.before[1]);
  }
}

TEST(SiteSpectra, of_normalised_sites_have_no_spread_with_the_full_band) {
  const std::vector<SiteSpectra> sites = spectra_with(Band::full);
  const SpectrumSpread before = spread_of(sites, &SiteSpectra::before);
  const SpectrumSpread after = spread_of(sites, &SiteSpectra::after);
  EXPECT_GT(before.dc, 0.01);
  EXPECT_GT(before.rest, 0.01);
  EXPECT_LT(after.dc, 1e-6);
  for (const double cv : after.by_radius) EXPECT_LT(cv, 1e-6);
}

TEST(SiteSpectra, change_in_the_mean_alone_with_the_dc_band) {
  const std::vector<SiteSpectra> sites = spectra_with(Band::dc);
  EXPECT_LT(spread_of(sites, &SiteSpectra::after).dc, 1e-6);
  for (const SiteSpectra& site : sites) {
    for (std::size_t r = 1; r < site.before.size(); ++r) {
      EXPECT_NEAR(site.after[r], site.before[r], 1e-5 * site.before[r]) << r;
    }
  }
}

TEST(SiteSpectra, need_samples) {
  const AmplitudeNormalization off(AmplitudeOptions{}, 3, 32, 32);
  EXPECT_THROW(site_spectra(off, Samples{}, 2), UserError);
}

TEST(SpectrumSpread, is_the_coefficient_of_variation) {
  const SpectrumSpread found = spectrum_spread({{1.0, 4.0, 5.0}, {3.0, 4.0, 15.0}});
  EXPECT_DOUBLE_EQ(found.dc, std::sqrt(2.0) / 2.0);
  EXPECT_DOUBLE_EQ(found.by_radius[1], 0.0);
  EXPECT_DOUBLE_EQ(found.by_radius[2], std::sqrt(50.0) / 10.0);
  EXPECT_DOUBLE_EQ(found.rest, std::sqrt(50.0) / 20.0);
}

TEST(SpectrumSpread, of_one_site_is_none) {
  const SpectrumSpread found = spectrum_spread({{1.0, 4.0, 5.0}});
  EXPECT_TRUE(std::isnan(found.dc));
  EXPECT_TRUE(std::isnan(found.rest));
}

}  // namespace
}  // namespace harmofl
