// SPDX-License-Identifier: Apache-2.0
/// Which of a model's state travels, and which stays with its client.
#pragma once

#include "fl/aggregate/aggregator.hpp"
#include "harmofl/fl/algorithm.hpp"
#include "model/model.hpp"

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace harmofl {

/// A client keeps a tensor of the model that stays with it under this and the tensor's name.
inline constexpr const char* local_prefix = "local.";

/// The tensors of the model that stay with their client, by the method or by the buffers' policy.
std::vector<Slot> local_slots(const Model& model, const Algorithm& algorithm, BufferPolicy buffers);

/// Puts the shared stretches of states into messages [shared parameters | shared buffers | extra]
/// and back. What stays local by the method or by the buffers' policy is left out; so is the
/// running amplitude once it is frozen.
class Exchange {
 public:
  Exchange(const Model& model, const Algorithm& algorithm, BufferPolicy buffers);

  const MessageLayout& layout() const { return layout_; }

  /// The message of `state`, float32 [layout().length()], with `extra` at its end. A view of
  /// `state` where all of that travels, else valid until the next call.
  torch::Tensor pack(const torch::Tensor& state, const torch::Tensor& extra);
  /// Makes `state` a message's shared stretches and, of what it does not hold, those of `rest`.
  void unpack(const torch::Tensor& message, const torch::Tensor& rest,
              const torch::Tensor& state) const;

  /// Copies the tensors that stay local from the model into `client`, as `local.<name>`.
  void keep_local(const ParameterVector& w, NamedState& client) const;

 private:
  struct Stretch {
    std::int64_t offset, count;
  };

  void add_shared(const Slot& slot);

  std::vector<Stretch> shared_;  ///< Ascending, none touching the next.
  std::vector<Slot> local_;
  MessageLayout layout_;
  torch::Tensor message_;
};

/// Whether a client tensor of this name is part of the model that the client is evaluated with.
bool is_personal(const std::string& name, const Algorithm& algorithm);

/// Puts the layers that stay with a client over those of the model: what it trains from. Returns
/// whether it has any.
bool personalize_layers(Model& model, const NamedState& client);

/// Makes the model that of a client, to be evaluated: its personal model, its layers. Does nothing
/// where it has neither.
void personalize(Model& model, const NamedState& client, const Algorithm& algorithm);

}  // namespace harmofl
