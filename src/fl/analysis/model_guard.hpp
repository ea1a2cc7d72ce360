// SPDX-License-Identifier: Apache-2.0
/// A model that is measured, not changed.
#pragma once

#include "model/model.hpp"

#include <torch/types.h>

namespace harmofl {

/// Copies a model's state, buffers included, and puts it back, to the bit, when it goes out of
/// scope; clears the gradients and leaves evaluation mode.
class ModelGuard {
 public:
  explicit ModelGuard(Model& model) : model_(model), state_(model.state().state().clone()) {}
  ~ModelGuard() {
    torch::NoGradGuard no_grad;
    model_.state().state().copy_(state_);
    model_.state().gradients().zero_();
    model_.set_training(false);
  }
  ModelGuard(const ModelGuard&) = delete;
  ModelGuard& operator=(const ModelGuard&) = delete;

 private:
  Model& model_;
  torch::Tensor state_;
};

}  // namespace harmofl
