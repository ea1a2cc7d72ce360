// SPDX-License-Identifier: Apache-2.0
/// A stream of a GPU beside the one that it computes on.
#pragma once

#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <torch/types.h>

#include <functional>
#include <optional>
#include <vector>

namespace harmofl {

/// Runs work on a device beside its current stream. On the CPU all work is done at once.
class CopyStream {
 public:
  explicit CopyStream(torch::Device device);

  torch::Device device() const { return device_; }

  /// Gives `work` to the stream: it begins when what the current stream has by now is done, and
  /// runs beside what that gets next.
  void run(const std::function<void()>& work);

  /// Makes what the current stream gets next wait for the work of the last `run`, and keeps the
  /// memory of `tensors`, which it made, for as long as the current stream works with them.
  void hand_over(const std::vector<torch::Tensor>& tensors);

 private:
  torch::Device device_;
  std::optional<c10::Stream> stream_;  ///< None on the CPU.
  std::optional<c10::Event> done_;     ///< The end of the last work.
};

}  // namespace harmofl
