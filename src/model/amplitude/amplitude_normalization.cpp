// SPDX-License-Identifier: Apache-2.0
// F is kept as rfft2's half spectrum: images are real, so F(-k) is the conjugate of F(k) and the
// band, which is symmetric, is treated alike in both halves. The `dc` band changes the zero
// frequency alone, hence an image's mean, and is done without any transform.
#include "model/amplitude/amplitude_normalization.hpp"

#include "base/host_paths.hpp"
#include "harmofl/base/error.hpp"
#include "harmofl/base/number_text.hpp"

#include <torch/fft.h>

#include <cmath>
#include <optional>

namespace harmofl {
namespace {

/// R e^{iP} for spectrum F = A e^{iP}: F R / A, or R where A = 0.
torch::Tensor with_amplitude(const torch::Tensor& spectrum, const torch::Tensor& amplitude,
                             const torch::Tensor& wanted) {
  const torch::Tensor scaled = spectrum * (wanted / amplitude);
  return torch::where(amplitude > 0, scaled, wanted.to(scaled.scalar_type()));
}

/// The mean of each plane [B, C, 1, 1], float64.
torch::Tensor means_of(const torch::Tensor& images) {
  return images.mean({2, 3}, /*keepdim=*/true, torch::kFloat64);
}

/// All columns of an amplitude image [C, H, W] from those of the half spectrum [C, H, W/2+1].
torch::Tensor whole_spectrum(const torch::Tensor& half, std::int64_t width) {
  const std::int64_t mirrored = width - half.size(2);
  // Column W-k holds |F(-y, -k)| = |F(y, k)|: rows and columns reversed, row 0 in its place.
  const torch::Tensor tail = half.narrow(2, 1, mirrored).flip({1, 2}).roll(1, 1);
  return torch::cat({half, tail}, 2);
}

}  // namespace

void parse_band(const std::string& text, AmplitudeOptions& options) {
  const std::string low = "low:";
  if (text == "off") {
    options.band = Band::off;
  } else if (text == "dc") {
    options.band = Band::dc;
  } else if (text == "full") {
    options.band = Band::full;
  } else if (text.starts_with(low)) {
    const std::optional<double> fraction = parse_number(text.substr(low.size()));
    if (!fraction || !(*fraction > 0.0 && *fraction < 0.5)) {
      throw UsageError(concat("amplitude.band = ", text,
                              ": L must be a number between 0 and 0.5, for example low:0.1."));
    }
    options.band = Band::low;
    options.low_fraction = *fraction;
  } else {
    throw UsageError(
        concat("amplitude.band = ", text, " is unknown. Known: off, dc, low:L, full."));
  }
}

std::string band_text(const AmplitudeOptions& options) {
  switch (options.band) {
    case Band::off:
      return "off";
    case Band::dc:
      return "dc";
    case Band::low:
      return concat("low:", options.low_fraction);
    case Band::full:
      return "full";
  }
  return "";
}

AmplitudeNormalization::AmplitudeNormalization(AmplitudeOptions options, std::int64_t channels,
                                               std::int64_t height, std::int64_t width,
                                               Kernels kernels)
    : options_(options),
      height_(height),
      width_(width),
      kernels_(kernels),
      running_(torch::zeros({channels, height, width})) {
  HARMOFL_VALIDATE(options.momentum >= 0.0 && options.momentum <= 1.0,
                   "amplitude.momentum = ", options.momentum, " must lie between 0 and 1.");
  if (options.band == Band::full) blocks_ = {{0, height, width / 2 + 1}};
  if (options.band == Band::low) {
    const auto b = static_cast<std::int64_t>(
        std::floor(static_cast<double>(std::min(height, width)) * options.low_fraction));
    blocks_ = {{0, b + 1, b + 1}};
    if (b > 0) blocks_.push_back({height - b, height, b + 1});
  }
}

// What moves R and what is normalised by it share the means or the spectra of a batch.
torch::Tensor AmplitudeNormalization::observe(const torch::Tensor& images) {
  if (frozen_ || !active()) return normalize(images);
  const torch::NoGradGuard no_grad;
  if (for_kernels(images)) {
    return options_.band == Band::dc ? observe_means_on_cpu(images)
                                     : observe_spectra_on_cpu(images);
  }
  return options_.band == Band::dc ? observe_means(images) : observe_spectra(images);
}

torch::Tensor AmplitudeNormalization::normalize(const torch::Tensor& images) const {
  if (!active() || !(observed_ || frozen_)) return images;
  const torch::NoGradGuard no_grad;
  if (for_kernels(images)) {
    return options_.band == Band::dc ? with_means_on_cpu(images) : with_spectra_on_cpu(images);
  }
  return options_.band == Band::dc ? with_means(images, means_of(images))
                                   : with_spectra(torch::fft::rfft2(images.to(torch::kFloat64)));
}

void AmplitudeNormalization::begin_client() {
  if (!frozen_) observed_ = false;
}

void AmplitudeNormalization::freeze() {
  frozen_ = true;
  planes_.reset();  // only batches that move R are transformed as a whole
  derive();
}

// libtorch's operations take everything.
bool AmplitudeNormalization::for_kernels(const torch::Tensor& images) const {
  return kernels_ == Kernels::own && images.is_cpu() && host_paths_in_use() &&
         images.scalar_type() == torch::kFloat32 && images.dim() == 4;
}

torch::Tensor AmplitudeNormalization::observe_means(const torch::Tensor& images) {
  const torch::Tensor mean = means_of(images);
  if (options_.record_spectrum) {
    move_towards_half(torch::fft::rfft2(images.to(torch::kFloat64)).abs());
  } else {
    torch::Tensor amplitude = torch::zeros_like(running_);
    const double pixels = static_cast<double>(height_ * width_);
    amplitude.select(2, 0).select(1, 0).copy_(
        (mean.abs() * pixels).to(torch::kFloat32).mean(0).flatten());
    move_towards(amplitude);
  }
  return with_means(images, mean);
}

// x - mean(x) + R_00 / (H W), where a negative mean has phase pi and so gets -R_00.
torch::Tensor AmplitudeNormalization::with_means(const torch::Tensor& images,
                                                 const torch::Tensor& mean) const {
  const torch::Tensor wanted = torch::where(mean < 0, -dc_mean_, dc_mean_);
  return (images.to(torch::kFloat64) + (wanted - mean)).to(torch::kFloat32);
}

// Transforms in float64: in float32 their rounding alone flips activations that sit near zero,
// which the golden traces notice after a round.
torch::Tensor AmplitudeNormalization::observe_spectra(const torch::Tensor& images) {
  const torch::Tensor spectrum = torch::fft::rfft2(images.to(torch::kFloat64));
  move_towards_half(spectrum.abs());
  return with_spectra(spectrum);
}

torch::Tensor AmplitudeNormalization::with_spectra(const torch::Tensor& spectrum) const {
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const Block& block = blocks_[i];
    torch::Tensor part = spectrum.narrow(2, block.row_begin, block.row_end - block.row_begin)
                             .narrow(3, 0, block.column_end);
    part.copy_(with_amplitude(part, part.abs(), block_values_[i]));
  }
  return torch::fft::irfft2(spectrum, torch::IntArrayRef({height_, width_})).to(torch::kFloat32);
}

// R <- Abar for the first batch, then R <- (1-v) R + v Abar.
void AmplitudeNormalization::move_towards(const torch::Tensor& mean_amplitude) {
  if (observed_) {
    running_.mul_(1.0 - options_.momentum).add_(mean_amplitude, options_.momentum);
  } else {
    running_.copy_(mean_amplitude);
  }
  observed_ = true;
  derive();
}

void AmplitudeNormalization::move_towards_half(const torch::Tensor& half_amplitudes) {
  const torch::Tensor mean_amplitude = half_amplitudes.to(torch::kFloat32).mean(0);
  move_towards(whole_spectrum(mean_amplitude, width_));
}

void AmplitudeNormalization::derive() {
  const double pixels = static_cast<double>(height_ * width_);
  dc_mean_ = (running_.select(2, 0).select(1, 0).to(torch::kFloat64) / pixels).view({-1, 1, 1});
  block_values_.clear();
  for (const Block& block : blocks_) {
    block_values_.push_back(running_.narrow(1, block.row_begin, block.row_end - block.row_begin)
                                .narrow(2, 0, block.column_end)
                                .to(torch::kFloat64)
                                .contiguous());
  }
}

}  // namespace harmofl
