// SPDX-License-Identifier: Apache-2.0
/// Base optimisers over the flat parameter buffer; their moments are client state.
#pragma once

#include "harmofl/fl/method_context.hpp"
#include "harmofl/fl/named_state.hpp"
#include "harmofl/model/parameter_vector.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace harmofl {

/// Where the moments of a client's steps stand, those aside that a method takes.
inline constexpr const char* moments_prefix = "optimizer.";

/// Names and shapes of the moments that steps keep under `prefix`, for so many parameters.
std::map<std::string, std::vector<std::int64_t>> moment_shapes(const OptimizerOptions& options,
                                                               const std::string& prefix,
                                                               std::int64_t parameters);

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
  void step(ParameterVector& w, NamedState& state, const std::string& prefix = moments_prefix,
            const torch::Tensor& delta = {}) const;

  /// Steps with another learning rate from now on.
  void set_lr(double lr) { options_.lr = lr; }
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
