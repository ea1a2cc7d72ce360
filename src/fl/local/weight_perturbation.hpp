// SPDX-License-Identifier: Apache-2.0
/// Client weight perturbation: the half of HarmoFL that is also FedSAM's local step.
#pragma once

#include "harmofl/model/parameter_vector.hpp"

#include <torch/types.h>

namespace harmofl {

struct PerturbationOptions {
  double alpha = 0.0;     ///< Length of the perturbation; 0 leaves the plain gradient, in one pass.
  bool adaptive = false;  ///< ASAM: every weight is perturbed in proportion to its size.
  double eta = 0.0;       ///< ASAM: added to |w|, so that weights of 0 move too.
};

/// Throws UserError for a negative alpha or eta.
void check(const PerturbationOptions& options);

/// Moves the weights from w, whose gradient g1 stands in `w.gradients()`, to w + delta, and writes
/// delta, float32 [P] (method.md, section 3; HarmoFL, AAAI 2022, eq. 5; SAM: Foret et al., ICLR
/// 2021; ASAM: Kwon et al., ICML 2021). Optimizer::step takes delta for the way back.
void perturb(ParameterVector& w, const PerturbationOptions& options, torch::Tensor& delta);

}  // namespace harmofl
