// SPDX-License-Identifier: Apache-2.0
/// Amplitude normalisation (method.md, section 2; HarmoFL, AAAI 2022, eqs. 2-4).
///
/// Per image and channel, F = FFT2(x) = A e^{iP}. A client keeps a running amplitude R [C, H, W];
/// normalised images are Re FFT2^-1(R' e^{iP}) with R' = R inside the band and A outside it.
/// R e^{iP} = F R / A needs neither angle nor exponential; where A = 0, P is 0 and R e^{iP} = R.
#pragma once

#include "kernels/choice.hpp"

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// Which amplitudes are replaced.
enum class Band {
  off,   ///< None.
  dc,    ///< The zero frequency only: an image's mean. Needs no FFT.
  low,   ///< The centred square of half-width b = floor(min(H, W) L) of the shifted spectrum.
  full,  ///< All: the paper's equation.
};

struct AmplitudeOptions {
  Band band = Band::off;
  double low_fraction = 0.1;  ///< L of `low:L`, in (0, 0.5).
  double momentum = 0.1;      ///< v in R <- (1-v) R + v Abar; 0 keeps the first batch's.
  bool update_every_pass =
      false;  ///< Whether R moves in both passes of a perturbed step, as published.
  bool record_spectrum = false;  ///< Whether `dc` records all of R, though only its mean is used.
};

/// Parses "off", "dc", "low:0.1" or "full" into `options`. Throws UsageError.
void parse_band(const std::string& text, AmplitudeOptions& options);
/// The inverse of `parse_band`.
std::string band_text(const AmplitudeOptions& options);

/// The layer in front of every network.
class AmplitudeNormalization {
 public:
  AmplitudeNormalization(AmplitudeOptions options, std::int64_t channels, std::int64_t height,
                         std::int64_t width, Kernels kernels = Kernels::own);

  bool active() const { return options_.band != Band::off; }
  const AmplitudeOptions& options() const { return options_; }

  /// R, float32 [C, H, W]; a buffer of the model, `amp_norm.running_amp`. Entries outside the band
  /// are 0 where they are not recorded.
  torch::Tensor& running_amplitude() { return running_; }

  /// Normalises a training batch [B, C, H, W] after moving R towards its mean amplitude (unless
  /// frozen).
  torch::Tensor observe(const torch::Tensor& images);
  /// Normalises a batch with R as it stands: evaluation. Leaves it as it is while
  /// there is no R yet.
  torch::Tensor normalize(const torch::Tensor& images) const;

  /// Forgets R before a client's first round; does nothing once frozen.
  void begin_client();
  /// Fixes R for good: called with the aggregated R after the first aggregation. Call it again
  /// when R was replaced (a checkpoint): it recomputes what is derived from R.
  void freeze();
  bool frozen() const { return frozen_; }
  /// Whether a further pass over a batch is to `observe` it again: R still moves, in every pass.
  bool moves_every_pass() const { return active() && !frozen_ && options_.update_every_pass; }

 private:
  /// A rectangle of the half spectrum of rfft2, both first and one past last.
  struct Block {
    std::int64_t row_begin, row_end, column_end;
  };

  /// Whether this project's own kernels take `images`.
  bool for_kernels(const torch::Tensor& images) const;

  // By libtorch's operations, on any device. `observe_` moves R first.
  torch::Tensor observe_means(const torch::Tensor& images);
  torch::Tensor observe_spectra(const torch::Tensor& images);
  torch::Tensor with_means(const torch::Tensor& images, const torch::Tensor& mean) const;
  torch::Tensor with_spectra(const torch::Tensor& spectrum) const;  ///< Overwrites `spectrum`.
  void move_towards(const torch::Tensor& mean_amplitude);
  void move_towards_half(const torch::Tensor& half_amplitudes);

  // By this project's kernels, float32 on the CPU, batches [B, C, H, W] in either memory format.
  torch::Tensor observe_means_on_cpu(const torch::Tensor& images);
  torch::Tensor observe_spectra_on_cpu(const torch::Tensor& images);
  torch::Tensor with_means_on_cpu(const torch::Tensor& images) const;
  torch::Tensor with_spectra_on_cpu(const torch::Tensor& images) const;
  double shift_to_wanted(double mean, std::int64_t channel) const;
  void replace_on_cpu(const torch::Tensor& spectrum) const;
  void planes_with_wanted(const torch::Tensor& spectrum, const torch::Tensor& out) const;
  void move_towards_means(std::vector<double>& means, std::int64_t batch);
  void move_towards_spectrum(const torch::Tensor& spectrum);
  void derive();

  AmplitudeOptions options_;
  std::int64_t height_, width_;
  Kernels kernels_;
  std::vector<Block> blocks_;
  torch::Tensor running_;
  torch::Tensor dc_mean_;                    ///< R_00 / (H W), float64 [C, 1, 1].
  std::vector<torch::Tensor> block_values_;  ///< R inside each block, float64, contiguous.
  torch::Tensor planes_;                     ///< A batch in float64, kept while R moves.
  bool observed_ = false;
  bool frozen_ = false;
};

}  // namespace harmofl
