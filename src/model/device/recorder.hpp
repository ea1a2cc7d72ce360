// SPDX-License-Identifier: Apache-2.0
/// Work that is the same for batch after batch, and that a GPU may record once and replay.
#pragma once

#include <torch/types.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace harmofl {

/// What one local step sees of a batch.
struct StepBatch {
  torch::Tensor first;   ///< Images of the first pass, as the network takes them, [B, C, H, W].
  torch::Tensor second;  ///< Images of the second pass; the same tensor unless they differ.
  torch::Tensor targets;
};

/// Runs work on batches.
class Recorder {
 public:
  /// Work on one batch: changes tensors in place that stay where they are (gradients, weights,
  /// statistics) and returns a float32 scalar on the device of its arguments.
  using Work = std::function<torch::Tensor(const StepBatch& batch)>;

  virtual ~Recorder() = default;

  /// Does `work` on the batch, once, and returns its scalar. A recorder that replays expects work
  /// that does the same with the same tensors in every call, reads nothing back to the host, and
  /// depends on nothing but these tensors and the batch that it is handed.
  virtual torch::Tensor run(const StepBatch& batch, const Work& work) = 0;
};

/// Throws UserError for `graphs` on the CPU.
void check_recorder(bool graphs, torch::Device device);

/// Makes a recorder that does the work anew for every batch or, with `graphs`, one that records it
/// into CUDA graphs, one for batches of `batch_size` images and one for each of the first few other
/// sizes: they are replayed after some that warm up. Throws as `check_recorder`.
std::unique_ptr<Recorder> make_recorder(bool graphs, torch::Device device, std::int64_t batch_size);

}  // namespace harmofl
