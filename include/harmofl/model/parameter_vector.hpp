// SPDX-License-Identifier: Apache-2.0
/// All of a model's state in one buffer.
#pragma once

#include "harmofl/io/named_tensor.hpp"

#include <torch/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace harmofl {

/// What a stretch of the buffer is.
enum class Role {
  parameter,  ///< Trained by gradients.
  buffer,     ///< Statistics that follow the data: running means, the running amplitude.
};

/// One tensor of the model inside the buffer.
struct Slot {
  std::string name;  ///< PyTorch state_dict name.
  Role role;
  std::vector<std::int64_t> shape;
  std::int64_t offset;  ///< First element.
  std::int64_t count;   ///< Number of elements.
  bool normalization;   ///< Belongs to a normalisation layer.
  bool channels_last;   ///< Stored as [O, H, W, I] behind a view of shape [O, I, H, W].
};

/// Every parameter and buffer of a module as a view into one contiguous float32 buffer, and every
/// gradient into another, so that perturbing, stepping, averaging, sending and saving a model are
/// each one operation on one buffer.
///
/// Layout: parameters in the module's order, then its buffers in its order, then those given as
/// `trailing`. The module and `trailing` must outlive no longer than this object's tensors.
class ParameterVector {
 public:
  /// Moves the state of `module` into the buffer, on the module's device. `trailing` are further
  /// buffers that end up as views too. `channels_last` stores 4-D weights in that memory format.
  ParameterVector(torch::nn::Module& module,
                  const std::vector<std::pair<std::string, torch::Tensor*>>& trailing,
                  bool channels_last);

  /// Everything: [parameters | buffers], float32.
  const torch::Tensor& state() const { return state_; }
  /// The trained part of `state`, a view.
  const torch::Tensor& parameters() const { return parameters_; }
  /// Gradients of `parameters`, same order and length; autograd accumulates into it.
  const torch::Tensor& gradients() const { return gradients_; }

  const std::vector<Slot>& slots() const { return slots_; }
  /// The slot called `name`. Throws UserError listing the names when there is none.
  const Slot& slot(const std::string& name) const;
  /// A view of `buffer` (same layout as `state`) with the slot's shape.
  static torch::Tensor view(const torch::Tensor& buffer, const Slot& slot);

  /// Copies the state out by name, on the host and row-major.
  std::vector<NamedTensor> export_tensors() const;
  /// Copies tensors in by name. Throws UserError, naming `source`, unless names and shapes agree.
  void import_tensors(const std::vector<NamedTensor>& tensors, const std::string& source);

 private:
  torch::Tensor state_, parameters_, gradients_;
  std::vector<Slot> slots_;
};

}  // namespace harmofl
