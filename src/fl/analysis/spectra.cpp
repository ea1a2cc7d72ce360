// SPDX-License-Identifier: Apache-2.0
#include "fl/analysis/spectra.hpp"

#include "data/batches/batches.hpp"
#include "fl/local/evaluation.hpp"
#include "harmofl/base/error.hpp"

#include <torch/fft.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace harmofl {
namespace {

/// Frequencies of the unshifted spectrum, without sign: 0, 1, ..., size/2, ..., 1. float64 [size].
torch::Tensor frequency_sizes(std::int64_t size) {
  const torch::Tensor index = torch::arange(size, torch::kFloat64);
  return torch::minimum(index, static_cast<double>(size) - index);
}

}  // namespace

RadialSpectrum::RadialSpectrum(std::int64_t height, std::int64_t width)
    : sum_(torch::zeros({height, width}, torch::kFloat64)) {
  const std::int64_t last = std::min(height, width) / 2;
  // bin = floor(sqrt(u^2 + v^2))
  const torch::Tensor squares =
      frequency_sizes(height).square().unsqueeze(1) + frequency_sizes(width).square().unsqueeze(0);
  bins_ = squares.sqrt().floor().clamp_max(static_cast<double>(last + 1)).to(torch::kInt64);
  const torch::Tensor counts = at::bincount(bins_.flatten(), {}, last + 2);
  const auto* data = counts.const_data_ptr<std::int64_t>();
  frequencies_.assign(data, data + last + 1);
}

void RadialSpectrum::add(const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  const torch::Tensor amplitudes = torch::fft::fft2(images.to(torch::kFloat64)).abs();
  sum_ += amplitudes.flatten(0, 1).sum(0).cpu();
  planes_ += images.size(0) * images.size(1);
}

std::vector<double> RadialSpectrum::means() const {
  const std::int64_t bins = std::ssize(frequencies_);
  const torch::Tensor sums = at::bincount(bins_.flatten(), sum_.flatten(), bins + 1);
  std::vector<double> means;
  for (std::int64_t r = 0; r < bins; ++r) {
    const double terms = static_cast<double>(frequencies_[static_cast<std::size_t>(r)] * planes_);
    means.push_back(sums[r].item<double>() / terms);
  }
  return means;
}

SiteSpectra site_spectra(const AmplitudeNormalization& amplitude, const Samples& samples,
                         std::int64_t batch_size) {
  HARMOFL_VALIDATE(samples.count() > 0, "there are no images to take spectra of. ",
                   "Choose a split that has some.");
  RadialSpectrum before(samples.images.size(2), samples.images.size(3));
  RadialSpectrum after(samples.images.size(2), samples.images.size(3));
  BatchStream batches(samples, BatchOptions{.batch_size = batch_size});
  while (const auto batch = batches.next()) {
    before.add(batch->images);
    if (amplitude.active()) after.add(amplitude.normalize(batch->images));
  }
  return {before.means(), amplitude.active() ? after.means() : before.means()};
}

SpectrumSpread spectrum_spread(const std::vector<std::vector<double>>& sites) {
  HARMOFL_EXPECT(!sites.empty());
  SpectrumSpread found;
  for (std::size_t r = 0; r < sites.front().size(); ++r) {
    std::vector<double> values;
    for (const auto& site : sites) values.push_back(site[r]);
    const Spread s = spread(values);
    found.by_radius.push_back(s.std ? *s.std / s.mean : std::numeric_limits<double>::quiet_NaN());
  }
  const auto& cv = found.by_radius;
  found.dc = cv.empty() ? std::numeric_limits<double>::quiet_NaN() : cv.front();
  const auto others = static_cast<double>(cv.size()) - 1.0;
  found.rest = others > 0.0 ? std::accumulate(cv.begin() + 1, cv.end(), 0.0) / others
                            : std::numeric_limits<double>::quiet_NaN();
  return found;
}

}  // namespace harmofl
