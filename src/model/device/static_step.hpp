// SPDX-License-Identifier: Apache-2.0
/// Where work that is recorded reads its batch and leaves its result: always at the same place.
#pragma once

#include "model/device/recorder.hpp"

#include <torch/types.h>

namespace harmofl {

/// The tensors of work on batches of one size.
class StaticStep {
 public:
  /// Copies the batch to where the work reads it. Both passes share a copy unless their images
  /// differ in the first call; then they may turn into one tensor later, as they do when the
  /// running amplitude is frozen, but not the other way round.
  void keep(const StepBatch& batch);

  /// Does `work` on the kept batch and keeps its scalar.
  void run(const Recorder::Work& work);

  /// A copy of the scalar, which the next call writes over.
  torch::Tensor result() const { return result_.clone(); }

 private:
  StepBatch batch_;
  torch::Tensor result_;
};

}  // namespace harmofl
