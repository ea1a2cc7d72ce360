/// Cuts a client's samples into batches.
#pragma once

#include "harmofl/base/rng.hpp"
#include "harmofl/data/client_data.hpp"

#include <torch/types.h>

#include <cstdint>
#include <optional>

namespace harmofl {

/// One batch as the network sees it.
struct Batch {
  torch::Tensor images;   ///< float32 [B, C, H, W], divided by the intensity scale.
  torch::Tensor targets;  ///< int64 [B] or [B, H, W].
};

struct BatchOptions {
  std::int64_t batch_size = 16;
  std::int64_t most_samples = -1;  ///< Uses that many samples at most (all when negative).
  bool augment = false;
};

/// One pass over samples in a given order; the last batch may be smaller. Cutting a batch does not
/// wait for a GPU: the order is put there once, and samples that stay in host memory pass through
/// pinned memory.
class BatchStream {
 public:
  /// In stored order, not augmented: evaluation.
  BatchStream(const Samples& samples, BatchOptions options);

  /// In an order drawn from `shuffle` (a truncated pass takes other samples every time), augmented
  /// by draws from `augmentation` if the options say so: training.
  BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
              RngStream augmentation);

  /// Number of batches of the whole pass.
  std::int64_t batches() const;

  /// The next batch, or nothing at the end.
  std::optional<Batch> next();

 private:
  bool staged() const;
  torch::Tensor rows(const torch::Tensor& all, std::int64_t size) const;

  const Samples& samples_;
  BatchOptions options_;
  torch::Device device_;  ///< Of the batches.
  torch::Tensor scale_;   ///< float32, of the intensities.
  torch::Tensor order_;   ///< int64, where the samples are. Undefined: stored order.
  std::optional<RngStream> augmentation_;
  torch::Tensor pixel_sources_;  ///< For augmentation on a GPU.
  std::int64_t count_ = 0;
  std::int64_t position_ = 0;
};

}  // namespace harmofl
