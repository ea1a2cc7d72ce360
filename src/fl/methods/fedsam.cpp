// SPDX-License-Identifier: Apache-2.0
// FedSAM (Qu et al., "Generalized federated learning via sharpness aware minimization", ICML 2022;
// Caldarola et al., "Improving generalization in federated learning by seeking flat minima", ECCV
// 2022, who also use ASAM: `perturbation.adaptive`).
//   local step: the perturbed gradient of WeightPerturbation, with rho = perturbation.alpha
//   server:     w_{t+1} = sum p_i w_i
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {

AlgorithmEntry fedsam() {
  return {"fedsam",
          "Qu et al., ICML 2022; Caldarola et al., ECCV 2022",
          {},
          {{"perturbation.alpha", "0.05"}},
          make_plain<Algorithm>};
}

}  // namespace harmofl
