/// Base optimisers over the flat parameter buffer; their moments are client state.
#pragma once

#include "harmofl/fl/client_state.hpp"
#include "harmofl/model/parameter_vector.hpp"

namespace harmofl {

enum class OptimizerKind { sgd, adam };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::sgd;
  double lr = 1e-2;
  double momentum = 0.9;      ///< Of SGD; 0 is plain SGD.
  double weight_decay = 0.0;  ///< L2, added to the gradient as weight_decay * w.
};

/// One fused step over all parameters, by libtorch's own kernels and so with PyTorch's numbers.
class Optimizer {
 public:
  /// Throws UserError for a learning rate, momentum or decay out of range.
  explicit Optimizer(OptimizerOptions options);

  /// Steps `w.parameters()` with `w.gradients()`.
  /// SGD: buf <- momentum buf + g (the first buf is g), w <- w - lr buf.
  /// Adam (Kingma and Ba, ICLR 2015): beta 0.9 and 0.999, eps 1e-8.
  void step(ParameterVector& w, ClientState& state) const;

 private:
  void step_sgd(ParameterVector& w, ClientState& state) const;
  void step_adam(ParameterVector& w, ClientState& state) const;

  OptimizerOptions options_;
};

}  // namespace harmofl
