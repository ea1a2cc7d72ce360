// SPDX-License-Identifier: Apache-2.0
/// A recorder of the CPU under which a step fails that a CUDA graph could not replay.
#pragma once

#include "model/device/recorder.hpp"
#include "model/device/static_step.hpp"
#include "support/host_reads.hpp"

#include <torch/types.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>

namespace harmofl::test {

/// Works on copies at addresses that stay, as a graph does, and spoils what it copied: NaN in place
/// of images, a class that no loss takes in place of targets. Counts what the work reads back.
class PoisoningRecorder final : public Recorder {
 public:
  /// What was seen, which outlives the recorder.
  struct Seen {
    std::map<std::int64_t, int> batches;  ///< By their size.
    std::map<std::string, int> reads;     ///< By name of the operation.
  };

  explicit PoisoningRecorder(Seen& seen) : seen_(seen) {}

  torch::Tensor run(const StepBatch& batch, const Work& work) override {
    const std::int64_t images = batch.first.size(0);
    ++seen_.batches[images];
    StaticStep& step = steps_[images];
    step.keep(batch);
    poison(batch);
    const HostReads watch;
    step.run(work);
    for (const auto& [name, count] : watch.found()) seen_.reads[name] += count;
    return step.result();
  }

 private:
  static void poison(const StepBatch& batch) {
    const torch::NoGradGuard no_grad;
    batch.first.fill_(std::numeric_limits<float>::quiet_NaN());
    batch.second.fill_(std::numeric_limits<float>::quiet_NaN());
    batch.targets.fill_(-1);
  }

  Seen& seen_;
  std::map<std::int64_t, StaticStep> steps_;
};

}  // namespace harmofl::test
