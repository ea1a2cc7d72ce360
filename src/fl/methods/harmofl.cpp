// SPDX-License-Identifier: Apache-2.0
// HarmoFL (Jiang, Wang, Dou, "HarmoFL: Harmonizing local and global drifts in federated learning on
// heterogeneous medical images", AAAI 2022).
//
// Clients see amplitude-normalised images (src/model/amplitude/amplitude_normalization.cpp) and
// step with the gradient at perturbed weights (src/fl/local/weight_perturbation.cpp), which leads
// them to flat minima. The server averages:
//   w_{t+1} = sum p_i w_i, and after the first round R = sum p_i R_i, frozen from then on.
// Both halves are options of the local step, so the method is no more than their defaults.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {

AlgorithmEntry harmofl_method() {
  return {"harmofl",
          "Jiang, Wang, Dou, AAAI 2022",
          {},
          {{"perturbation.alpha", "0.05"}, {"amplitude.band", "dc"}},
          make_plain<Algorithm>};
}

}  // namespace harmofl
