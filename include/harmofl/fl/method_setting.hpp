/// What a method is combined with; its cautions are about that.
#pragma once

#include "harmofl/fl/federation.hpp"
#include "harmofl/fl/optimizer.hpp"
#include "harmofl/model/network_options.hpp"

namespace harmofl {

/// How running statistics are handled, `model.buffers`.
enum class BufferPolicy {
  average,    ///< Averaged with p_i, like parameters.
  local,      ///< Each client keeps its own, and is evaluated with them.
  recompute,  ///< Recomputed with the new global weights over all training images, then averaged.
};

struct MethodSetting {
  OptimizerOptions optimizer = {};
  Weighting weights = Weighting::uniform;
  NormKind norm = NormKind::batch_stateless;
  BufferPolicy buffers = BufferPolicy::average;
};

}  // namespace harmofl
