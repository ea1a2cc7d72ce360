// SPDX-License-Identifier: Apache-2.0
/// Amplitude normalisation by libtorch's own operations, one after the other: what the kernels of
/// src/kernels replace on the CPU.
#pragma once

#include "model/amplitude/amplitude_normalization.hpp"

#include <torch/fft.h>
#include <torch/types.h>

#include <cmath>
#include <cstdint>

namespace harmofl::test {

class OracleAmplitude {
 public:
  OracleAmplitude(const AmplitudeOptions& options, const torch::Tensor& like)
      : options_(options), height_(like.size(2)), width_(like.size(3)) {
    running_ = torch::zeros({like.size(1), height_, width_});
  }

  torch::Tensor observe(const torch::Tensor& images) {
    if (options_.band == Band::dc) {
      const torch::Tensor mean = images.mean({2, 3}, true, torch::kFloat64);
      const double pixels = static_cast<double>(height_ * width_);
      torch::Tensor amplitude = torch::zeros_like(running_);
      amplitude.select(2, 0).select(1, 0).copy_(
          (mean.abs() * pixels).to(torch::kFloat32).mean(0).flatten());
      move_towards(amplitude);
    } else {
      const torch::Tensor amplitudes = torch::fft::fft2(images.to(torch::kFloat64)).abs();
      move_towards(amplitudes.to(torch::kFloat32).mean(0));
    }
    return normalize(images);
  }

  torch::Tensor normalize(const torch::Tensor& images) const {
    const double pixels = static_cast<double>(height_ * width_);
    if (options_.band == Band::dc) {
      const torch::Tensor mean = images.mean({2, 3}, true, torch::kFloat64);
      const torch::Tensor r =
          (running_.select(2, 0).select(1, 0).to(torch::kFloat64) / pixels).view({-1, 1, 1});
      const torch::Tensor shift = torch::where(mean < 0, -r, r) - mean;
      return (images.to(torch::kFloat64) + shift).to(torch::kFloat32);
    }
    torch::Tensor spectrum = torch::fft::rfft2(images.to(torch::kFloat64));
    const std::int64_t b = half_width();
    replace(spectrum, 0, b + 1, b + 1);
    if (options_.band == Band::full) replace(spectrum, 0, height_, width_ / 2 + 1);
    if (options_.band == Band::low && b > 0) replace(spectrum, height_ - b, height_, b + 1);
    return torch::fft::irfft2(spectrum, torch::IntArrayRef({height_, width_})).to(torch::kFloat32);
  }

  const torch::Tensor& running_amplitude() const { return running_; }

 private:
  std::int64_t half_width() const {
    if (options_.band == Band::full) return -1;  // an empty first block
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(std::min(height_, width_)) * options_.low_fraction));
  }

  /// F R / A, or R where A = 0, in rows `begin` to `end` and the first `columns`.
  void replace(torch::Tensor& spectrum, std::int64_t begin, std::int64_t end,
               std::int64_t columns) const {
    const torch::Tensor part = spectrum.narrow(2, begin, end - begin).narrow(3, 0, columns);
    const torch::Tensor wanted =
        running_.narrow(1, begin, end - begin).narrow(2, 0, columns).to(torch::kFloat64);
    const torch::Tensor amplitude = part.abs();
    const torch::Tensor scaled = part * (wanted / amplitude);
    part.copy_(torch::where(amplitude > 0, scaled, wanted.to(scaled.scalar_type())));
  }

  void move_towards(const torch::Tensor& mean_amplitude) {
    if (observed_) {
      running_.mul_(1.0 - options_.momentum).add_(mean_amplitude, options_.momentum);
    } else {
      running_.copy_(mean_amplitude);
    }
    observed_ = true;
  }

  AmplitudeOptions options_;
  std::int64_t height_, width_;
  torch::Tensor running_;
  bool observed_ = false;
};

}  // namespace harmofl::test
