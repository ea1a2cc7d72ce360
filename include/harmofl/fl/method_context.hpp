// SPDX-License-Identifier: Apache-2.0
/// What a method is combined with; its cautions are about that.
#pragma once

#include "harmofl/model/network_options.hpp"

namespace harmofl {

enum class OptimizerKind { sgd, adam };

struct OptimizerOptions {
  OptimizerKind kind = OptimizerKind::sgd;
  double lr = 1e-2;
  double momentum = 0.9;      ///< Momentum of SGD; 0 is plain SGD.
  double weight_decay = 0.0;  ///< L2, added to the gradient as weight_decay * w.

  /// The momentum that acts: that of SGD, none of Adam.
  double effective_momentum() const { return kind == OptimizerKind::sgd ? momentum : 0.0; }
};

/// How clients count in the average, `data.weights`.
enum class Weighting { uniform, samples };

/// How running statistics are handled, `model.buffers`.
enum class BufferPolicy {
  average,    ///< Averaged with p_i, like parameters.
  local,      ///< Each client keeps its own, and is evaluated with them.
  recompute,  ///< Recomputed with the new global weights over all training images, then averaged.
};

/// The part of a configuration that a method's theory depends on.
struct MethodContext {
  OptimizerOptions optimizer = {};
  Weighting weights = Weighting::uniform;
  NormKind norm = NormKind::batch_stateless;
  BufferPolicy buffers = BufferPolicy::average;
};

}  // namespace harmofl
