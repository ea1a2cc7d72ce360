// SPDX-License-Identifier: Apache-2.0
/// Cuts a client's samples into batches.
#pragma once

#include "data/batches/augmentation.hpp"
#include "data/batches/copy_stream.hpp"
#include "harmofl/base/rng.hpp"
#include "harmofl/data/client_data.hpp"

#include <torch/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace harmofl {

class BlockReader;

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

/// What outlives a stream of batches, so that the next one's need none of their own: memory, the
/// table of turns and the stream of copies of a GPU.
class BatchBuffers {
 public:
  /// A dense tensor in host memory, its values undefined. What somebody still holds (a batch, a
  /// view of it, a gradient to come) is never written again: the next batch then gets other memory.
  torch::Tensor buffer(torch::IntArrayRef sizes, torch::Dtype type, torch::MemoryFormat format);

  /// `pixel_sources`, made anew only for another size or device.
  const torch::Tensor& turns(std::int64_t height, std::int64_t width, torch::Device device);

  /// The stream on which batches go to `device`.
  CopyStream& copies(torch::Device device);

 private:
  std::vector<torch::Tensor> kept_;  ///< The one used last is last.
  torch::Tensor turns_;              ///< Undefined before one is asked for.
  std::array<std::int64_t, 2> turned_size_{};
  std::optional<CopyStream> copies_;
};

/// Number of batches of a whole pass over `samples`.
std::int64_t batch_count(const Samples& samples, const BatchOptions& options);

/// One pass over samples in a given order; the last batch may be smaller. In host memory a batch is
/// cut in one pass over its pixels. Cutting one for a GPU does not wait for it: the order is put
/// there once. Samples that stay in host memory pass through pinned memory, on a stream of their
/// own and one batch ahead, while the GPU computes on the batch before. Samples that are not in
/// memory are read by threads that stay some batches ahead; order and bits are the same.
class BatchStream {
 public:
  /// In stored order, not augmented: evaluation. Batches lie in `buffers` where given, which must
  /// outlive the stream.
  BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers = nullptr);

  /// In an order drawn from `shuffle` (a truncated pass takes other samples every time), augmented
  /// by draws from `augmentation` if the options say so: training.
  BatchStream(const Samples& samples, BatchOptions options, RngStream shuffle,
              RngStream augmentation, BatchBuffers* buffers = nullptr);
  ~BatchStream();

  /// Number of batches of the whole pass.
  std::int64_t batches() const { return batch_count(samples_, options_); }

  /// Leaves out the first `batches` of a pass that has more, and draws what they would have drawn.
  /// Before the first `next`.
  void skip(std::int64_t batches);

  /// The next batch, or nothing at the end. Throws UserError where samples cannot be read.
  std::optional<Batch> next();

 private:
  /// `order` holds the positions of the samples; empty: stored order.
  BatchStream(const Samples& samples, BatchOptions options, BatchBuffers* buffers,
              std::vector<std::int64_t> order);
  Batch cut(std::int64_t size);
  Batch gather(std::int64_t size);
  std::optional<Batch> take();
  torch::Tensor rows(const torch::Tensor& all, std::int64_t size) const;
  SampleBlock block(std::int64_t size);
  void start_reading();

  const Samples& samples_;
  SampleBlock like_;  ///< All samples, or none where they are read: shapes and types.
  BatchOptions options_;
  torch::Device device_;      ///< Device of the batches.
  BatchBuffers own_buffers_;  ///< Where none are given.
  BatchBuffers& buffers_;
  bool in_one_pass_;  ///< Batches are cut in host memory; what follows is then unused, or else.
  bool staged_;       ///< Batches are copied to another device, one ahead.
  std::vector<std::int64_t> rows_;       ///< Positions of the samples in what a batch is cut from.
  std::unique_ptr<BlockReader> reader_;  ///< Null where samples are in memory, and before `next`.
  std::vector<Symmetry> turns_;          ///< Symmetries of the present batch.
  torch::Tensor scale_;                  ///< float32, of the intensities.
  torch::Tensor order_;                  ///< int64, where the samples are. Undefined: stored order.
  std::optional<RngStream> augmentation_;
  torch::Tensor pixel_sources_;  ///< Indices of the pixels, for augmentation on a GPU.
  std::int64_t count_ = 0;
  std::int64_t position_ = 0;
  std::optional<Batch> ahead_;  ///< The next batch, on its way to the device.
};

}  // namespace harmofl
