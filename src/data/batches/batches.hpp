// SPDX-License-Identifier: Apache-2.0
/// Cuts a client's samples into batches.
#pragma once

#include "data/batches/augmentation.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/data/client_data.hpp"

#include <torch/types.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace harmofl {

/// One batch as the network sees it.
struct Batch {
  torch::Tensor images;   ///< float32 [B, C, H, W], divided by the intensity scale.
  torch::Tensor targets;  ///< int64 [B] or [B, H, W].
};

struct BatchOptions {
  std::int64_t batch_size = 16;
  std::int64_t max_samples = -1;  ///< Number of samples to use at most; negative means all.
  bool augment = false;
  /// How batches that are cut in host memory lie there: as the network wants its images.
  torch::MemoryFormat format = torch::MemoryFormat::Contiguous;
};

/// Memory of batches that outlives a stream, so that the next one's need none of their own. What
/// somebody still holds (a batch, a view of it, a gradient to come) is never written again: the
/// next batch then gets other memory.
class BatchBuffers {
 public:
  /// A dense tensor in host memory, its values undefined.
  torch::Tensor buffer(torch::IntArrayRef sizes, torch::Dtype type, torch::MemoryFormat format);

 private:
  std::vector<torch::Tensor> kept_;  ///< The one used last is last.
};

/// One pass over samples in a given order; the last batch may be smaller. In host memory a batch is
/// cut in one pass over its pixels. Cutting one for a GPU does not wait for it: the order is put
/// there once, and samples that stay in host memory pass through pinned memory.
class BatchStream {
 public:
  /// In stored order, not augmented: evaluation. Batches lie in `buffers` where given, which must
  /// outlive the stream.
  BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers = nullptr);

  /// In an order drawn from `shuffle` (a truncated pass takes other samples every time), augmented
  /// by draws from `augmentation` if the options say so: training.
  BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
              RngStream augmentation, BatchBuffers* buffers = nullptr);

  /// Number of batches of the whole pass.
  std::int64_t batches() const;

  /// The next batch, or nothing at the end.
  std::optional<Batch> next();

 private:
  Batch cut(std::int64_t size);
  Batch gather(std::int64_t size);
  bool staged() const;
  torch::Tensor rows(const torch::Tensor& all, std::int64_t size) const;

  const Samples& samples_;
  BatchOptions options_;
  torch::Device device_;  ///< Device of the batches.
  BatchBuffers* buffers_;
  bool in_one_pass_;  ///< Batches are cut in host memory; what follows is then unused, or else.
  std::vector<std::int64_t> rows_;  ///< Positions of the samples, in their order.
  std::vector<Symmetry> turns_;     ///< Symmetries of the present batch.
  torch::Tensor scale_;             ///< float32, of the intensities.
  torch::Tensor order_;             ///< int64, where the samples are. Undefined: stored order.
  std::optional<RngStream> augmentation_;
  torch::Tensor pixel_sources_;  ///< Indices of the pixels, for augmentation on a GPU.
  std::int64_t count_ = 0;
  std::int64_t position_ = 0;
};

}  // namespace harmofl
