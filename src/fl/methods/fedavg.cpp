// SPDX-License-Identifier: Apache-2.0
// FedAvg (McMahan et al., "Communication-efficient learning of deep networks from decentralized
// data", AISTATS 2017).
//   w_{t+1} = sum p_i w_i
// That is what an Algorithm does which changes nothing.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {

AlgorithmEntry fedavg() {
  return {"fedavg", "McMahan et al., AISTATS 2017", {}, {}, make_plain<Algorithm>};
}

}  // namespace harmofl
