// SPDX-License-Identifier: Apache-2.0
// FedBN (Li et al., "FedBN: Federated learning on non-IID features via local batch normalization",
// ICLR 2021).
//   w_{t+1} = sum p_i w_i over all but the normalisation layers, whose parameters and statistics
//   stay with their client; each client is evaluated with its own.
#include "harmofl/fl/algorithm.hpp"

namespace harmofl {
namespace {

class FedBN final : public Algorithm {
 public:
  bool stays_local(const Slot& slot) const override { return slot.normalization; }

  std::vector<std::string> cautions(const MethodContext& context) const override {
    if (context.norm != NormKind::batch_stateless) return {};
    return {
        "fedbn keeps normalisation layers local, but those of model.norm = batch-stateless have "
        "neither parameters nor statistics: this run is FedAvg. Set --model.norm batch."};
  }
};

}  // namespace

AlgorithmEntry fedbn() {
  return {"fedbn",
          "Li et al., ICLR 2021",
          {},
          {{"model.norm", "batch"}, {"data.evaluate", "clients"}},
          make_plain<FedBN>};
}

}  // namespace harmofl
