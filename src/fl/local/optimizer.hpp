// SPDX-License-Identifier: Apache-2.0
/// Base optimisers over the flat parameter buffer; their moments are client state.
#pragma once

#include "harmofl/fl/method_context.hpp"
#include "harmofl/fl/named_state.hpp"
#include "harmofl/model/parameter_vector.hpp"

namespace harmofl {

/// One step over all parameters in one pass, with PyTorch's numbers: on the CPU by this project's
/// kernels, elsewhere by libtorch's own.
class Optimizer {
 public:
  /// Throws UserError for a learning rate, momentum or decay out of range.
  explicit Optimizer(OptimizerOptions options);

  /// Steps `w.parameters()` with `w.gradients()`.
  /// SGD: buf <- momentum buf + g (the first buf is g), w <- w - lr buf.
  /// Adam (Kingma and Ba, ICLR 2015): beta 0.9 and 0.999, eps 1e-8.
  /// The moments are tensors of `state` whose names begin with `prefix`.
  /// Where `delta` is given, w <- w - delta comes first: the way back from `perturb`. Subtracting,
  /// as the published code does, rounds like it; the golden traces tell it from a saved copy.
  void step(ParameterVector& w, NamedState& state, const std::string& prefix = "optimizer.",
            const torch::Tensor& delta = {}) const;

  const OptimizerOptions& options() const { return options_; }

 private:
  void step_sgd(ParameterVector& w, NamedState& state, const std::string& prefix) const;
  void step_adam(ParameterVector& w, NamedState& state, const std::string& prefix) const;
  void step_sgd_on_cpu(ParameterVector& w, NamedState& state, const std::string& prefix,
                       const torch::Tensor& delta) const;
  void step_adam_on_cpu(ParameterVector& w, NamedState& state, const std::string& prefix,
                        const torch::Tensor& delta) const;

  OptimizerOptions options_;
};

}  // namespace harmofl
