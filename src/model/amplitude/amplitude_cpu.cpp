// SPDX-License-Identifier: Apache-2.0
// Amplitude normalisation on the CPU.
//
// `dc` takes the mean of a plane while it comes from memory and shifts it while it is in the cache:
// one read and one write of the batch. The transforms of `low` and `full` go through some images at
// a time, so that what lies between them stays in the cache. Neither size depends on the number of
// threads, and no sum is split between them, so that results depend on it no more than libtorch's
// transforms do.
#include "kernels/image/plane_means.hpp"
#include "kernels/image/spectrum.hpp"
#include "model/amplitude/amplitude_normalization.hpp"

#include <ATen/Parallel.h>
#include <torch/fft.h>

#include <algorithm>
#include <cmath>

namespace harmofl {
namespace {

/// Values that are transformed together: with their spectrum 4 MiB.
constexpr std::int64_t values_at_once = std::int64_t{1} << 18;

/// A batch as so many stacks of interleaved planes: planes of row-major images, images of
/// channels-last ones. Plane p of all is of channel p % C in either format.
struct Stacks {
  std::int64_t count, pixels, channels;

  explicit Stacks(const torch::Tensor& images) : pixels(images.size(2) * images.size(3)) {
    const bool rows = images.is_contiguous();
    channels = rows ? 1 : images.size(1);
    count = rows ? images.size(0) * images.size(1) : images.size(0);
  }

  std::int64_t values() const { return pixels * channels; }

  /// Calls `work(stack)` for each.
  template <class Work>
  void for_each(const Work& work) const {
    at::parallel_for(0, count, /*grain_size=*/1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t stack = begin; stack < end; ++stack) work(stack);
    });
  }
};

/// `images`, or a copy where they are neither row-major nor channels-last.
torch::Tensor dense(const torch::Tensor& images) {
  return images.is_contiguous(torch::MemoryFormat::ChannelsLast) ? images : images.contiguous();
}

/// Writes the means of the planes of a stack of `images`.
void find_means(const Stacks& stacks, const float* images, std::int64_t stack, double* means) {
  sum_planes(images + stack * stacks.values(), stacks.pixels, stacks.channels, means);
  for (std::int64_t c = 0; c < stacks.channels; ++c) means[c] /= static_cast<double>(stacks.pixels);
}

/// The half spectra [B, C, H, W/2+1] of images, complex float64. `planes` is their memory in
/// float64, which is used again where it is large enough.
torch::Tensor spectrum_of(const torch::Tensor& images, torch::Tensor& planes) {
  if (!planes.defined() || planes.size(0) < images.size(0)) {
    planes = torch::empty(images.sizes(), torch::kFloat64);
  }
  const torch::Tensor some = planes.narrow(0, 0, images.size(0));
  const Stacks stacks(images);
  stacks.for_each(
      [&, from = images.const_data_ptr<float>(), to = some.data_ptr<double>()](std::int64_t stack) {
        images_to_planes(from + stack * stacks.values(), stacks.pixels, stacks.channels,
                         to + stack * stacks.values());
      });
  return torch::fft::rfft2(some).contiguous();
}

/// Calls `work(begin, count)` for so many images at a time as are transformed together.
template <class Work>
void for_some_images(const torch::Tensor& images, const Work& work) {
  const std::int64_t batch = images.size(0);
  const std::int64_t at_once = std::max(
      std::int64_t{1}, values_at_once / (images.size(1) * images.size(2) * images.size(3)));
  for (std::int64_t begin = 0; begin < batch; begin += at_once) {
    work(begin, std::min(at_once, batch - begin));
  }
}

/// R <- Abar for the first batch, then R <- (1-v) R + v Abar.
struct Mover {
  bool first;
  float momentum, rest;

  void operator()(float& r, double mean_amplitude) const {
    const auto amplitude = static_cast<float>(mean_amplitude);
    r = first ? amplitude : std::fma(amplitude, momentum, r * rest);
  }
};

}  // namespace

// What is added to a plane with that mean; a negative one has phase pi, so gets -R_00.
double AmplitudeNormalization::shift_to_wanted(double mean, std::int64_t channel) const {
  const double wanted = dc_mean_.const_data_ptr<double>()[channel];
  return (mean < 0.0 ? -wanted : wanted) - mean;
}

torch::Tensor AmplitudeNormalization::observe_means_on_cpu(const torch::Tensor& images) {
  const torch::Tensor in = dense(images);
  const Stacks stacks(in);
  const std::int64_t channels = in.size(1);
  const auto* const x = in.const_data_ptr<float>();
  std::vector<double> means(static_cast<std::size_t>(in.size(0) * channels));
  stacks.for_each([&](std::int64_t stack) {
    find_means(stacks, x, stack, means.data() + stack * stacks.channels);
  });
  if (options_.record_spectrum) {
    move_towards_spectrum(spectrum_of(in, planes_));
  } else {
    move_towards_means(means, in.size(0));
  }
  for (std::size_t plane = 0; plane < means.size(); ++plane) {
    means[plane] = shift_to_wanted(means[plane], static_cast<std::int64_t>(plane) % channels);
  }
  torch::Tensor out = at::empty_like(in);
  stacks.for_each([&, y = out.data_ptr<float>()](std::int64_t stack) {
    shift_planes(x + stack * stacks.values(), means.data() + stack * stacks.channels, stacks.pixels,
                 stacks.channels, y + stack * stacks.values());
  });
  return out;
}

torch::Tensor AmplitudeNormalization::with_means_on_cpu(const torch::Tensor& images) const {
  const torch::Tensor in = dense(images);
  const Stacks stacks(in);
  const std::int64_t channels = in.size(1);
  const auto* const x = in.const_data_ptr<float>();
  std::vector<double> shifts(static_cast<std::size_t>(in.size(0) * channels));
  torch::Tensor out = at::empty_like(in);
  stacks.for_each([&, y = out.data_ptr<float>()](std::int64_t stack) {
    double* const shift = shifts.data() + stack * stacks.channels;
    find_means(stacks, x, stack, shift);
    for (std::int64_t c = 0; c < stacks.channels; ++c) {
      shift[c] = shift_to_wanted(shift[c], (stack * stacks.channels + c) % channels);
    }
    shift_planes(x + stack * stacks.values(), shift, stacks.pixels, stacks.channels,
                 y + stack * stacks.values());
  });
  return out;
}

// All spectra at once: R has to move before the first image is normalised.
torch::Tensor AmplitudeNormalization::observe_spectra_on_cpu(const torch::Tensor& images) {
  const torch::Tensor in = dense(images);
  const torch::Tensor whole = spectrum_of(in, planes_);
  move_towards_spectrum(whole);
  torch::Tensor out = at::empty_like(in);
  for_some_images(in, [&](std::int64_t begin, std::int64_t some) {
    planes_with_wanted(whole.narrow(0, begin, some), out.narrow(0, begin, some));
  });
  return out;
}

torch::Tensor AmplitudeNormalization::with_spectra_on_cpu(const torch::Tensor& images) const {
  const torch::Tensor in = dense(images);
  torch::Tensor out = at::empty_like(in);
  torch::Tensor planes;
  for_some_images(in, [&](std::int64_t begin, std::int64_t some) {
    planes_with_wanted(spectrum_of(in.narrow(0, begin, some), planes), out.narrow(0, begin, some));
  });
  return out;
}

/// Writes to `out` the images whose half spectra are `spectrum` with R in the band.
void AmplitudeNormalization::planes_with_wanted(const torch::Tensor& spectrum,
                                                const torch::Tensor& out) const {
  replace_on_cpu(spectrum);
  const torch::Tensor planes =
      torch::fft::irfft2(spectrum, torch::IntArrayRef({height_, width_})).contiguous();
  const Stacks stacks(out);
  stacks.for_each(
      [&, from = planes.const_data_ptr<double>(), to = out.data_ptr<float>()](std::int64_t stack) {
        planes_to_images(from + stack * stacks.values(), stacks.pixels, stacks.channels,
                         to + stack * stacks.values());
      });
}

void AmplitudeNormalization::replace_on_cpu(const torch::Tensor& spectrum) const {
  const std::int64_t channels = spectrum.size(1), columns = spectrum.size(3);
  auto* const f = reinterpret_cast<double*>(spectrum.data_ptr<c10::complex<double>>());
  at::parallel_for(0, spectrum.size(0) * channels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      for (std::size_t i = 0; i < blocks_.size(); ++i) {
        const Block& block = blocks_[i];
        const std::int64_t rows = block.row_end - block.row_begin;
        const double* const wanted = block_values_[i].const_data_ptr<double>() +
                                     (plane % channels) * rows * block.column_end;
        for (std::int64_t row = 0; row < rows; ++row) {
          replace_amplitudes(wanted + row * block.column_end, block.column_end,
                             f + 2 * (plane * height_ + block.row_begin + row) * columns);
        }
      }
    }
  });
}

// Of `dc`: R_00 alone moves; all else of R is 0.
void AmplitudeNormalization::move_towards_means(std::vector<double>& means, std::int64_t batch) {
  const Mover move{!observed_, static_cast<float>(options_.momentum),
                   static_cast<float>(1.0 - options_.momentum)};
  const std::int64_t channels = running_.size(0);
  const torch::Tensor by_image =
      torch::from_blob(means.data(), {batch, channels}, torch::kFloat64).abs();
  const torch::Tensor mean_amplitude =
      by_image.mul(static_cast<double>(height_ * width_)).to(torch::kFloat32).mean(0);
  if (!observed_) running_.zero_();
  for (std::int64_t c = 0; c < channels; ++c) {
    move(running_.data_ptr<float>()[c * height_ * width_],
         static_cast<double>(mean_amplitude.const_data_ptr<float>()[c]));
  }
  observed_ = true;
  derive();
}

// One pass over the spectrum: the mean amplitude of a row, and with it R in that row and, as
// |F(-y, -x)| = |F(y, x)|, in the mirrored columns of the row -y.
void AmplitudeNormalization::move_towards_spectrum(const torch::Tensor& spectrum) {
  const Mover move{!observed_, static_cast<float>(options_.momentum),
                   static_cast<float>(1.0 - options_.momentum)};
  const std::int64_t batch = spectrum.size(0), channels = spectrum.size(1);
  const std::int64_t columns = spectrum.size(3), mirrored = width_ - columns;
  const auto* const f =
      reinterpret_cast<const double*>(spectrum.const_data_ptr<c10::complex<double>>());
  auto* const running = running_.data_ptr<float>();
  at::parallel_for(0, channels * height_, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> sums(static_cast<std::size_t>(columns));
    for (std::int64_t row = begin; row < end; ++row) {
      std::ranges::fill(sums, 0.0);
      for (std::int64_t b = 0; b < batch; ++b) {
        add_amplitudes(f + 2 * (b * channels * height_ + row) * columns, columns, sums.data());
      }
      const std::int64_t y = row % height_;
      float* const here = running + row * width_;
      float* const opposite = running + (row - y + (height_ - y) % height_) * width_;
      for (std::int64_t x = 0; x < columns; ++x) {
        const double mean = sums[static_cast<std::size_t>(x)] / static_cast<double>(batch);
        move(here[x], mean);
        if (x > 0 && x <= mirrored) move(opposite[width_ - x], mean);
      }
    }
  });
  observed_ = true;
  derive();
}

}  // namespace harmofl
