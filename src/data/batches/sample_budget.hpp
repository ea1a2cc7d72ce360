// SPDX-License-Identifier: Apache-2.0
/// How much of a GPU's memory a rank's samples may take: set once, before any are there.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace harmofl {

/// What is known of a GPU before a rank has put a model or samples there.
struct GpuRoom {
  std::int64_t free_bytes = 0;
  std::int64_t ranks = 1;  ///< That share it.
  std::int64_t lanes = 1;  ///< Of each rank: every one has a model and a step of its own.
  /// What a model and a step on a batch took when they were tried,
  std::int64_t step_bytes = 0;
  /// and what lies there beside, of each rank: sums, copies of the model, clients' states.
  std::int64_t kept_bytes = 0;
};

/// Bytes of samples that may stay on the GPU: a rank's share of what is free, less what the models
/// of its lanes need, less a part of the share that no estimate knows of (libraries, gaps between
/// blocks).
std::int64_t sample_budget(const GpuRoom& room);

/// The same, counted down. May be used by several threads.
class SampleBudget {
 public:
  explicit SampleBudget(std::int64_t bytes)
      : left_(std::make_shared<std::atomic<std::int64_t>>(bytes)) {}

  /// What is still free of it.
  std::int64_t left_bytes() const { return left_->load(); }

  /// Takes `bytes`, which come back when the last copy of what is returned ends. Null where less is
  /// left.
  std::shared_ptr<const void> take(std::int64_t bytes);

 private:
  std::shared_ptr<std::atomic<std::int64_t>> left_;
};

}  // namespace harmofl
